//! Rules that no scenario reaches, on the kernel itself.

use super::*;
use crate::kernel::{Config, Seen};

fn issue(k: &mut Kernel, task: TaskId, sys: Sys, args: Vec<Value>) -> Option<Value> {
    let mut cx = Cx::default();
    k.invoke(task, Invocation { sys, args }, &mut cx);
    cx.effects.into_iter().find_map(|e| match e.what {
        Seen::Return(v) if e.task == task => Some(v),
        _ => None,
    })
}

fn open_one(k: &mut Kernel, name: String, limits: [i64; 2]) -> Value {
    let flags = Value::Bits(Bits::Open, O_CREAT | O_RDWR);
    let [most, size] = limits.map(Value::Int);
    let mode = Value::Bits(Bits::Mode, 0o600);
    let args = vec![Value::Path(name), flags, mode, most, size];
    issue(k, TaskId::SETUP, Sys::MqOpenAttr, args).expect("an open does not block")
}

#[test]
fn so_many_queues_and_no_more() {
    let mut k = Kernel::new(Config::default(), 1);
    for n in 0..QUEUES {
        let fd = open_one(&mut k, format!("/{n}"), [1, 1]);
        assert_eq!(fd, Value::Int(3), "queue {n}");
        issue(&mut k, TaskId::SETUP, Sys::Close, vec![fd]);
    }
    assert_eq!(
        open_one(&mut k, "/x".into(), [1, 1]),
        Value::Error(Errno::ENOSPC)
    );
    // One that exists is opened all the same; unlinked, it counts until it is closed.
    let fd = open_one(&mut k, "/7".into(), [1, 1]);
    assert_eq!(fd, Value::Int(3));
    let name = Value::Path("/7".into());
    issue(&mut k, TaskId::SETUP, Sys::MqUnlink, vec![name]);
    assert_eq!(
        open_one(&mut k, "/x".into(), [1, 1]),
        Value::Error(Errno::ENOSPC)
    );
    issue(&mut k, TaskId::SETUP, Sys::Close, vec![fd]);
    assert_eq!(open_one(&mut k, "/x".into(), [1, 1]), Value::Int(3));
}

#[test]
fn the_charge_of_a_user_is_bounded() {
    let mut k = Kernel::new(Config::default(), 1);
    let each = Queue::charge(10, 8192);
    for n in 0..CHARGE_LIMIT / each {
        assert!(
            open_one(&mut k, format!("/{n}"), [10, 8192])
                .number()
                .is_some_and(|n| n > 0)
        );
    }
    assert_eq!(
        open_one(&mut k, "/x".into(), [10, 8192]),
        Value::Error(Errno::EMFILE)
    );
    assert!(
        open_one(&mut k, "/x".into(), [1, 1])
            .number()
            .is_some_and(|n| n > 0)
    );
}
