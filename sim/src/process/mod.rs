//! The calls on processes: `fork`, threads, credentials.
//!
//! | file | what it owns |
//! |---|---|
//! | `groups.rs` | process groups and sessions |
//! | `wait.rs` | waiting for children |
//! | `nice.rs` | nice values |
//! | `exec.rs` | what stays and what goes when a program is executed |
//! | `family.rs` | what the end of a process means to its children, its group and its parent |

mod exec;
mod family;
mod groups;
mod nice;
mod wait;

pub(crate) use exec::{among_threads, exec};
pub(crate) use family::set_subreaper;
pub(crate) use groups::call as group_call;
pub(crate) use nice::call as nice_call;
pub use wait::WaitOp;
pub(crate) use wait::begin as begin_wait;

use crate::clause::SIG_077;
use crate::kernel::{Cx, Invocation, Kernel};
use scenario::{Errno, Sys, TaskId, Value};

/// `fork` and the start of a thread.
pub(crate) fn start(
    k: &mut Kernel,
    task: TaskId,
    call: &Invocation,
    cx: &mut Cx,
) -> Result<Value, Errno> {
    let child = call.task(0).ok_or(Errno::EINVAL)?;
    match call.sys {
        Sys::Fork => k.fork(task, child, cx),
        _ => {
            cx.cite(SIG_077);
            k.start_thread(task, child, cx);
        }
    }
    Ok(Value::Task(child))
}

/// The calls on user and group ids. A process may take an id that is one of its own, or any id as a
/// privileged process.
pub(crate) fn credentials(
    k: &mut Kernel,
    task: TaskId,
    call: &Invocation,
    _cx: &mut Cx,
) -> Result<Value, Errno> {
    let id = call.int(0) as u32;
    let credentials = &mut k.task_mut(task).credentials;
    let privileged = credentials.privileged();
    match call.sys {
        Sys::Setuid => {
            if privileged {
                (credentials.uid, credentials.euid) = (id, id);
            } else if id == credentials.uid {
                credentials.euid = id;
            } else {
                return Err(Errno::EPERM);
            }
        }
        Sys::Seteuid => {
            if !privileged && id != credentials.uid && id != credentials.euid {
                return Err(Errno::EPERM);
            }
            credentials.euid = id;
        }
        Sys::Setgid => {
            if !privileged && id != credentials.gid {
                return Err(Errno::EPERM);
            }
            credentials.gid = id;
        }
        // Workers have no supplementary groups to begin with.
        Sys::Setgroups => {
            if !privileged {
                return Err(Errno::EPERM);
            }
        }
        _ => return Err(Errno::ENOSYS),
    }
    Ok(Value::ZERO)
}
