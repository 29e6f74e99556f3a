//! Settings, window size, and the table from call to rule.

use super::{control, open_pair, open_slave};
use crate::clause::*;
use crate::kernel::{Cx, FileKind, Invocation, Kernel, ObjId, Progress, State};
use scenario::{Bits, Errno, Signal, Sys, TaskId, Value, constants::*};

/// The calls of this mechanism.
pub(crate) fn call(k: &mut Kernel, task: TaskId, call: &Invocation, cx: &mut Cx) -> Progress {
    match call.sys {
        Sys::Openpt => open_pair(k, task, cx).into(),
        Sys::OpenTty => open_own(k, task, call.bits(0), cx).into(),
        _ => on_descriptor(k, task, call, cx),
    }
}

/// `/dev/tty`.
fn open_own(k: &mut Kernel, task: TaskId, flags: u64, cx: &mut Cx) -> Result<Value, Errno> {
    match k.process_of(task).terminal {
        Some(id) => open_slave(k, task, id, flags, cx),
        None => {
            cx.cite(SIG_166);
            Err(Errno::ENXIO)
        }
    }
}

fn on_descriptor(k: &mut Kernel, task: TaskId, call: &Invocation, cx: &mut Cx) -> Progress {
    let found = k.file_of(task, call.int(0)).map(|f| k.files.get(f).kind);
    let (id, master) = match found.map(super::of) {
        Ok(Some(found)) => found,
        Ok(None) => return Progress::Done(Errno::ENOTTY.into()),
        Err(e) => return Progress::Done(e.into()),
    };
    if call.sys == Sys::OpenSlave {
        return match master {
            true => open_slave(k, task, id, call.bits(1), cx).into(),
            false => Progress::Done(Errno::EIO.into()),
        };
    }
    if !master && !k.terminals.get(id).master {
        cx.cite(SIG_192);
        return Progress::Done(match call.sys {
            Sys::Tcsetpgrp => Errno::ENOTTY.into(),
            _ => Errno::EIO.into(),
        });
    }
    if is_for_foreground(call.sys) {
        let background = control::is_background(k, task, id);
        if let Some(progress) = control::may_access(k, task, id, Signal::SIGTTOU, cx) {
            return refused(k, task, call.sys, progress, cx);
        }
        if background {
            cx.cite(match call.sys {
                Sys::Tcsetpgrp => SIG_171,
                _ => SIG_189,
            });
        }
    }
    act(k, task, call, (id, master), cx).into()
}

/// Whether a call is for the foreground whatever the settings say.
fn is_for_foreground(sys: Sys) -> bool {
    matches!(
        sys,
        Sys::Tcsetattr
            | Sys::Tcflush
            | Sys::Tcdrain
            | Sys::Tcflow
            | Sys::Tcsendbreak
            | Sys::Tcsetpgrp
    )
}

/// What such a call comes to in the background.
fn refused(k: &Kernel, task: TaskId, sys: Sys, progress: Progress, cx: &mut Cx) -> Progress {
    if progress == Progress::Done(Errno::EIO.into()) {
        cx.cite(SIG_172);
        return match sys {
            Sys::Tcsetpgrp => Progress::Done(Errno::ENOTTY.into()),
            _ => progress,
        };
    }
    let handler = k.process_of(task).dispositions.get(Signal::SIGTTOU).handler;
    cx.cite(match sys {
        _ if handler != SIG_DFL => SIG_215,
        Sys::Tcsetpgrp => SIG_171,
        _ => SIG_189,
    });
    progress
}

fn act(
    k: &mut Kernel,
    task: TaskId,
    call: &Invocation,
    (id, master): (ObjId, bool),
    cx: &mut Cx,
) -> Result<Value, Errno> {
    let background = control::is_background(k, task, id);
    let own = k.process_of(task).terminal == Some(id);
    let t = k.terminals.get_mut(id);
    match call.sys {
        Sys::Tcgetattr => {
            if background {
                cx.cite(SIG_189);
            }
            Ok(Value::Bits(Bits::Terminal, t.settings))
        }
        Sys::Tcsetattr => {
            t.set(call.bits(1));
            if t.has_input() {
                k.wake_queue(|k| &mut k.terminals.get_mut(id).slave_queue, false, 0, cx);
            }
            Ok(Value::ZERO)
        }
        Sys::Tcflush => {
            match master {
                true => t.output.clear(),
                false => t.input.clear(),
            }
            Ok(Value::ZERO)
        }
        Sys::Tcgetpgrp | Sys::Tcgetsid => {
            if !own || master {
                cx.cite(SIG_167);
            } else if background && call.sys == Sys::Tcgetpgrp {
                cx.cite(SIG_189);
            }
            if !own && !master {
                if t.session.is_none() {
                    cx.cite(SIG_194);
                }
                return Err(Errno::ENOTTY);
            }
            let (session, foreground) = (t.session, t.foreground);
            if call.sys == Sys::Tcgetsid {
                return session.map(Value::Task).ok_or(Errno::ENOTTY);
            }
            if foreground.is_some_and(|g| k.members_of(g).is_empty()) {
                cx.cite(SIG_169);
            }
            let stopped = |m: &TaskId| matches!(k.task(*m).state, State::Stopped { .. });
            if foreground.is_some_and(|g| k.members_of(g).iter().any(stopped)) {
                cx.cite(SIG_170);
            }
            Ok(foreground.map_or(Value::ZERO, Value::Task))
        }
        Sys::Tcsetpgrp => set_foreground(k, task, call, id, cx),
        Sys::Tiocsctty => control::set_controlling(k, task, id, cx),
        Sys::Tiocnotty if !master => control::give_up(k, task, id, cx),
        Sys::Tiocsig if master => {
            cx.cite(SIG_182);
            let keys = [Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTSTP];
            let signal = keys.iter().find(|s| i64::from(s.0) == call.int(1));
            let signal = *signal.ok_or(Errno::EINVAL)?;
            if let Some(group) = t.foreground {
                control::signal_group(k, group, signal, cx);
            }
            Ok(Value::ZERO)
        }
        Sys::Tcgetwinsize => Ok(Value::List(t.size.map(Value::Int).to_vec())),
        Sys::Tcsetwinsize => {
            cx.cite(SIG_181);
            if background {
                cx.cite(SIG_215);
            }
            let size = [call.int(1) & 0xffff, call.int(2) & 0xffff];
            if t.size != size {
                t.size = size;
                if let Some(group) = t.foreground {
                    control::signal_group(k, group, Signal::SIGWINCH, cx);
                }
            }
            Ok(Value::ZERO)
        }
        Sys::Tiocnotty | Sys::Tiocsig => Err(Errno::ENOTTY),
        // Output is through at once, and nothing suspends it.
        _ => Ok(Value::ZERO),
    }
}

fn set_foreground(
    k: &mut Kernel,
    task: TaskId,
    call: &Invocation,
    id: ObjId,
    cx: &mut Cx,
) -> Result<Value, Errno> {
    let fails = |e, cx: &mut Cx| {
        cx.cite(SIG_168);
        Err(e)
    };
    if call.task(1).is_none() && call.int(1) < 0 {
        return fails(Errno::EINVAL, cx);
    }
    let process = k.process_of(task);
    let session = process.session;
    if process.terminal != Some(id) || k.terminals.get(id).session != Some(session) {
        return fails(Errno::ENOTTY, cx);
    }
    let Some(group) = call.task(1) else {
        return fails(Errno::ESRCH, cx);
    };
    let member = match k.members_of(group).first() {
        Some(member) => *member,
        None if k.is_gone(group) => return fails(Errno::ESRCH, cx),
        None => k.task(group).process,
    };
    if k.process(member).session != session {
        return fails(Errno::EPERM, cx);
    }
    k.terminals.get_mut(id).foreground = Some(group);
    Ok(Value::ZERO)
}

/// Calls on a file that mean something to a terminal; none for the others.
pub(crate) fn file_call(
    k: &mut Kernel,
    task: TaskId,
    call: &Invocation,
    kind: FileKind,
    cx: &mut Cx,
) -> Option<Result<Value, Errno>> {
    let (id, master) = super::of(kind)?;
    let t = k.terminals.get(id);
    let gone = !master && !t.master;
    Some(match call.sys {
        Sys::Isatty | Sys::Fionread if gone => {
            cx.cite(SIG_192);
            Err(Errno::EIO)
        }
        Sys::Isatty => Ok(Value::Int(1)),
        Sys::Fionread => {
            if control::is_background(k, task, id) {
                cx.cite(SIG_215);
            }
            let count = match master {
                true => t.output.len(),
                false => t.available(),
            };
            Ok(Value::Int(count as i64))
        }
        Sys::FionreadFault => Err(Errno::EFAULT),
        Sys::Lseek => Err(Errno::ESPIPE),
        _ => return None,
    })
}
