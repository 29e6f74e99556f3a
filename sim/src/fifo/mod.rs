//! FIFOs: named pipes. Names, permissions, and the rendezvous of `open`.
//!
//! Once it is open, a FIFO is a pipe ([`crate::pipe`]); what is its own is here. `names.rs` has the
//! inodes and the directory tree, `calls.rs` the calls on names, `open.rs` has `open`.

mod calls;
mod names;
mod open;
#[cfg(test)]
mod tests;

pub(crate) use calls::name_call;
pub use names::{Content, Inode};
pub use open::OpenOp;
pub(crate) use open::begin_open;
