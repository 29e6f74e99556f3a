//! `O_ASYNC`: the owner of a description is told by a signal when its pipe changed.

use super::send::Sent;
use crate::clause::*;
use crate::kernel::{Cx, Kernel, ObjId};
use crate::pipe::Side;
use scenario::{Bits, Handled, Signal, Value, constants::*};

impl Kernel {
    /// Tells the owners of a pipe's descriptions that have `O_ASYNC` set: those of read
    /// descriptions that there is input, those of write descriptions that there is room.
    pub(crate) fn tell_owners(&mut self, pipe: ObjId, side: Side, cx: &mut Cx) {
        if self.files.iter().all(|(_, f)| f.flags & O_ASYNC == 0) {
            return;
        }
        let told: Vec<_> = self
            .files
            .iter()
            .filter(|(_, f)| f.pipe() == Some(pipe) && f.flags & O_ASYNC != 0)
            .filter(|(_, f)| match side {
                Side::Readers => f.readable(),
                Side::Writers => f.writable(),
            })
            .map(|(_, f)| (f.owner, f.async_signal))
            .collect();
        for (owner, chosen) in told {
            let Some(owner) = owner else {
                cx.cite(PIPE_113);
                continue;
            };
            if self.is_gone(owner) {
                continue;
            }
            cx.cite(PIPE_110);
            cx.cite(PIPE_112);
            let code = match (chosen, side) {
                (None, _) => SI_KERNEL,
                (Some(_), Side::Readers) => POLL_IN,
                (Some(_), Side::Writers) => POLL_OUT,
            };
            let signal = chosen.unwrap_or(Signal::SIGIO);
            let info = Handled::new(signal, Value::Bits(Bits::SiCode, code), Value::ZERO);
            if self.send_to_process(owner, info, cx) == Sent::Merged {
                cx.cite(SIG_030);
            }
        }
    }
}
