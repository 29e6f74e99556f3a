//! Scenarios on the running kernel: real processes, real system calls, exactly.
//!
//! | question | look at |
//! |---|---|
//! | Where do scenarios run? | [`Sandbox`], made once from [`Options`] |
//! | What does this machine permit? | [`Facts`], and [`Sandbox::can_run`] for a program |
//! | One call at a time? | [`Sandbox::lockstep`], which gives a [`Run`] of [`StepReport`]s |
//! | All at full speed? | [`Sandbox::race`], which gives a histogram of outcomes |
//! | How is it known that a call sleeps? | [`Quiet`] |
//!
//! Inside: `compile` turns statements into operations in shared memory (`arena`), `worker` is the
//! code that performs them in each task, `decode` turns results into values, `quiet` knows when all
//! sleep, `exec` goes on with a worker in a fresh image, `stage` is what lockstep and race have in common. Each mechanism's calls are in the file of its name: `pipe`, `fd`,
//! `fifo`, `poll`, `signal`, `process`.
//!
//! What it cannot see: tasks that do nothing but compute (there are none in a scenario), and work
//! that the kernel puts off to threads of its own, which may go on when all workers sleep.

mod arena;
mod call;
mod capability;
mod compile;
mod decode;
mod epoll;
mod eventfd;
mod exec;
mod facts;
mod fd;
mod fifo;
mod guard;
mod host;
mod lockstep;
mod nice;
mod op;
mod options;
mod pingpong;
mod pipe;
mod poll;
mod posix_mq;
mod prepare;
mod process;
mod quiet;
mod race;
mod raw;
mod run;
mod sandbox;
mod select;
mod signal;
mod stage;
mod status;
mod sysctl;
mod sysv_msg;
mod terminal;
mod wire;
mod worker;

pub use compile::Unsupported;
pub use facts::{Facts, Namespace, Skip};
pub use options::{Isolation, Options, Quiet, RaceCpus};
pub use run::{Run, RunError, StepReport};
pub use sandbox::{Sandbox, SandboxError};
