//! The limits of the IPC namespace: their values, who may set them, and to what.
//!
//! What a limit limits is for its mechanism to say, which reads it when it needs it: in `sysv_msg`
//! and in `posix_mq`.

use crate::clause::*;
use crate::kernel::{Cx, Invocation, Kernel};
use crate::{posix_mq, sysv_msg};
use scenario::{Errno, Sys, Sysctl, TaskId, Value};
use std::ops::RangeInclusive;

/// The limits of an IPC namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limits([i32; Sysctl::ALL.len()]);

impl Default for Limits {
    /// Those of a fresh namespace.
    fn default() -> Limits {
        let mut limits = Limits([0; Sysctl::ALL.len()]);
        for &which in Sysctl::ALL {
            limits.0[which as usize] = stock(which);
        }
        limits
    }
}

impl Limits {
    /// A limit.
    pub fn get(&self, which: Sysctl) -> i32 {
        self.0[which as usize]
    }

    /// A limit that counts or measures something. A negative one is a very high one.
    pub fn most(&self, which: Sysctl) -> u64 {
        u64::from(self.get(which).cast_unsigned())
    }

    /// Whether it is what it was in the fresh namespace.
    pub fn is_stock(&self, which: Sysctl) -> bool {
        self.get(which) == stock(which)
    }
}

/// The value in a fresh namespace.
fn stock(which: Sysctl) -> i32 {
    match which {
        Sysctl::MsgMax => sysv_msg::MSGMAX,
        Sysctl::MsgMnb => sysv_msg::MSGMNB,
        Sysctl::MsgMni => sysv_msg::MSGMNI,
        Sysctl::QueuesMax => posix_mq::QUEUES,
        Sysctl::MqMsgMax | Sysctl::MqMsgDefault => posix_mq::MESSAGES,
        Sysctl::MqMsgsizeMax | Sysctl::MqMsgsizeDefault => posix_mq::SIZE,
    }
}

/// The values that it can be set to.
fn range(which: Sysctl) -> RangeInclusive<i32> {
    match which {
        Sysctl::MsgMax | Sysctl::MsgMnb => 0..=i32::MAX,
        Sysctl::MsgMni => 0..=sysv_msg::SLOTS,
        Sysctl::QueuesMax => i32::MIN..=i32::MAX,
        Sysctl::MqMsgMax | Sysctl::MqMsgDefault => 1..=65536,
        Sysctl::MqMsgsizeMax | Sysctl::MqMsgsizeDefault => 128..=16_777_216,
    }
}

/// `sysctl` and `sysctl_write`.
pub(crate) fn call(
    k: &mut Kernel,
    task: TaskId,
    call: &Invocation,
    cx: &mut Cx,
) -> Result<Value, Errno> {
    let Some(Value::Sysctl(which)) = call.args.first() else {
        return Err(Errno::EINVAL);
    };
    // The limit's file is open while it is read or written.
    if k.process_of(task).free_fd(0).is_none() {
        cx.cite(FD_001);
        return Err(Errno::EMFILE);
    }
    match call.sys {
        Sys::SysctlWrite => set(k, task, *which, call.int(1), cx),
        _ => {
            cx.cite(if which.is_system_v() { MSG_083 } else { MQ_116 });
            if k.limits.is_stock(*which) {
                cx.cite(if which.is_system_v() { MSG_075 } else { MQ_117 });
            }
            Ok(Value::Int(k.limits.get(*which).into()))
        }
    }
}

fn set(
    k: &mut Kernel,
    task: TaskId,
    which: Sysctl,
    value: i64,
    cx: &mut Cx,
) -> Result<Value, Errno> {
    // It is the user id that counts, as it is for a file, and no capability.
    cx.cite(if which.is_system_v() { MSG_083 } else { MQ_116 });
    if k.task(task).credentials.euid != 0 {
        return Err(Errno::EACCES);
    }
    cx.cite(match which {
        Sysctl::QueuesMax => MQ_115,
        which if which.is_system_v() => MSG_082,
        _ => MQ_016,
    });
    let value = i32::try_from(value).ok();
    let value = value.filter(|value| range(which).contains(value));
    k.limits.make_mut().0[which as usize] = value.ok_or(Errno::EINVAL)?;
    Ok(Value::ZERO)
}
