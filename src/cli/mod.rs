//! The command line: one file a subcommand, and the forms in which results come out.

mod args;
mod chart;
mod coverage;
mod difference;
mod explain;
mod explore;
mod list;
mod matrix;
mod out;
mod pool;
mod progress;
mod race;
mod random;
mod report;
mod run;
mod select;
mod show;
mod simulate;
mod table;
mod trace;

use args::{Cli, Command};
use clap::Parser;
use lockstep::Error;
use out::Out;
use std::io;
use std::process::ExitCode;

/// Why a command came to no end of its own.
pub enum Stop {
    /// Bad input or usage: status 2.
    Bad(Vec<Error>),
    /// This machine cannot run it: status 3.
    Unable(Error),
    /// The results cannot be written.
    Output(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Stop {
        Stop::Output(error)
    }
}

impl From<Error> for Stop {
    /// An error that a command does not expect is one of its input.
    fn from(error: Error) -> Stop {
        match error {
            Error::Sandbox(_) => Stop::Unable(error),
            error => Stop::Bad(vec![error]),
        }
    }
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// All agree.
    Agree,
    /// A difference was found.
    Differ,
    /// There was something to run, and this machine can run nothing of it.
    Unable,
}

/// A command's result.
pub type Done = Result<Status, Stop>;

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut out = Out::new();
    let done = match &cli.command {
        None => run::main(&cli.run, &mut out),
        Some(Command::Run(args)) => run::main(args, &mut out),
        Some(Command::Explore(args)) => explore::main(args, &mut out),
        Some(Command::Simulate(args)) => simulate::main(args, &mut out),
        Some(Command::Race(args)) => race::main(args, &mut out),
        Some(Command::Matrix(args)) => matrix::main(args, &mut out),
        Some(Command::List(args)) => list::main(args, &mut out),
        Some(Command::Show(args)) => show::main(args, &mut out),
        Some(Command::Explain(args)) => explain::main(args, &mut out),
        Some(Command::Coverage(args)) => coverage::main(args, &mut out),
        Some(Command::Random(args)) => random::main(args, &mut out),
    };
    let code = match done {
        Ok(Status::Agree) => 0,
        Ok(Status::Differ) => 1,
        Ok(Status::Unable) => 3,
        Err(Stop::Bad(errors)) => {
            errors.iter().for_each(out::complain);
            2
        }
        Err(Stop::Unable(error)) => {
            out::complain(&error);
            3
        }
        // Whoever read the results has read enough.
        Err(Stop::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => 0,
        Err(Stop::Output(error)) => {
            out::complain(&Error::File {
                file: "standard output".into(),
                error,
            });
            2
        }
    };
    ExitCode::from(code)
}
