//! Epoll instances.

use crate::compile::{Call, Plan, Unsupported};
use crate::decode::Decode;
use crate::op::Word;
use crate::signal::{SET, set};
use scenario::{Bits, Sys, Value};

/// `struct epoll_event`, which is packed.
#[derive(Clone, Copy)]
#[repr(C, packed)]
pub(crate) struct Event {
    events: u32,
    data: i64,
}

/// Room for so many events at most; a call may ask for more than there can be.
const ROOM: i64 = 1024;

/// `epoll_ctl(epfd, op, fd, &event)`.
pub(crate) fn control(c: &mut Call) -> Result<Plan, Unsupported> {
    let event = match c.sys {
        Sys::EpollCtl => {
            let event = Event {
                events: c.known_number(3)? as u32,
                data: c.known_number(4)?,
            };
            Word::Const(c.build.put(&[event])? as u64)
        }
        _ => c.bytes(3)?.0,
    };
    let args = [c.word(0)?, c.word(1)?, c.word(2)?, event];
    Ok(Plan::new(libc::SYS_epoll_ctl, args))
}

/// `epoll_wait(epfd, events, maxevents, timeout)`, and that with a mask.
pub(crate) fn wait(c: &mut Call) -> Result<Plan, Unsupported> {
    let room = c.known_number(1)?.clamp(1, ROOM) as usize;
    let at = c.build.zeroed(room * size_of::<Event>())?;
    let (events, timeout) = match c.sys {
        Sys::EpollWaitFault => (c.bytes(2)?.0, Word::Const(0)),
        _ => (Word::Const(at as u64), c.word(2)?),
    };
    let args = [c.word(0)?, events, c.word(1)?, timeout];
    let plan = match c.sys {
        Sys::EpollPwait => {
            let [fd, events, most, timeout] = args;
            let mask = set(c, 3)?;
            Plan::new(
                libc::SYS_epoll_pwait,
                [fd, events, most, timeout, mask, SET],
            )
        }
        _ => Plan::new(libc::SYS_epoll_wait, args),
    };
    Ok(plan.gives(Decode::EpollEvents(at)))
}

/// `[[events, data], ...]`.
pub(crate) fn events_value(events: &[Event]) -> Value {
    let pair = |event: &Event| {
        Value::List(vec![
            Value::Bits(Bits::Epoll, u64::from(event.events)),
            Value::Int(event.data),
        ])
    };
    Value::List(events.iter().map(pair).collect())
}
