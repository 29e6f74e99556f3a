//! What can go wrong that is nobody's difference.

use miette::Diagnostic;

/// An error of the library: bad input, or a machine that cannot do what is asked.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum Error {
    /// A text is not a scenario.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Scenario(#[from] scenario::Diagnostic),
    /// A file cannot be read or written.
    #[error("{file}: {error}")]
    File {
        /// The file.
        file: String,
        /// What the system says.
        error: std::io::Error,
    },
    /// A word of a command line chooses no scenario.
    #[error(
        "`{0}` is no scenario file and no folder with such files, and no built-in scenario's name contains it"
    )]
    #[diagnostic(help("`lockstep list` names the built-in scenarios"))]
    NothingChosen(String),
    /// The model cannot run a scenario.
    #[error(transparent)]
    Setup(#[from] sim::SetupError),
    /// A schedule does not fit its scenario.
    #[error(transparent)]
    Schedule(#[from] scenario::ScheduleError),
    /// A schedule names an action that cannot come there.
    #[error(transparent)]
    Replay(#[from] sim::ReplayError),
    /// This machine does not permit a sandbox.
    #[error("this machine permits no sandbox: {0}")]
    #[diagnostic(help("`--no-kernel` runs the model alone"))]
    Sandbox(#[from] real::SandboxError),
    /// A run on the kernel gave no result.
    #[error(transparent)]
    Run(#[from] real::RunError),
    /// The threaded kernel cannot run a scenario.
    #[error(transparent)]
    Model(#[from] models::ModelError),
    /// A bad argument of the command line.
    #[error("{0}")]
    Usage(String),
}
