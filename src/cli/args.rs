//! The arguments of the command line.

use clap::{Args, Parser, Subcommand, ValueEnum};
use lockstep::real;
use lockstep::sim::ExploreOptions;
use lockstep::sim::kernel::{Config, Flavor};
use std::num::{NonZeroU32, NonZeroUsize};

const AFTER: &str = "\
Exit status: 0 all agree, 1 a difference was found, 2 bad input or usage, 3 this machine cannot run it.

`--format json` writes one object a line; `lockstep help run` tells the fields.
Colour is used on a terminal only, and not at all if NO_COLOR is set.";

const JSON: &str = "\
JSON, one object a line, fields in this order (more may come):
  scenario, mechanism, file, verdict (agree|differ|skip), reason (null or text),
  outcomes, states, complete, orderings, cover, orderings_total, race_rounds, race_outcomes,
  seed, pass,
  differences: [{kind, place, about, text, schedule, replay}]";

/// Litmus tests for kernel IPC: one scenario on a model of the kernel and on the real one.
#[derive(Parser, Debug)]
#[command(
    name = "lockstep",
    version,
    after_help = AFTER,
    args_conflicts_with_subcommands = true,
    subcommand_precedence_over_arg = true,
    max_term_width = 100
)]
pub struct Cli {
    /// What to do; `run` if it is left out.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The arguments of `run`.
    #[command(flatten)]
    pub run: RunArgs,
}

/// What to do.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Run scenarios on the model and on this kernel, and compare. The default
    #[command(after_long_help = JSON)]
    Run(RunArgs),
    /// Every outcome that the model has, with a schedule that leads to it
    Explore(ExploreArgs),
    /// One seeded run of the model, step by step, with the clauses that allow it
    Simulate(SimulateArgs),
    /// Run at full speed on this kernel, many times: how often each outcome comes
    Race(RaceArgs),
    /// Scenarios against engines: explore, loom, shuttle, lockstep, race
    Matrix(MatrixArgs),
    /// The scenarios, or the calls that they can make
    List(ListArgs),
    /// A run as a chart: one column a process
    Show(ShowArgs),
    /// What a clause says, where it comes from, which scenarios are about it
    Explain(ExplainArgs),
    /// Which clauses the scenarios show this kernel to keep
    Coverage(CoverageArgs),
    /// Random scenarios on the model and on this kernel; one that differs is made small
    Random(RandomArgs),
}

/// Which scenarios.
#[derive(Args, Debug, Default, Clone)]
pub struct Choice {
    /// Scenario files, folders of them, or parts of the names of built-in ones; all built-in ones
    /// if left out
    #[arg(value_name = "FILE|FOLDER|NAME")]
    pub words: Vec<String>,
    /// Only variants with these values: `n=4096`, `n=4096,ends=pipe`
    #[arg(long, value_name = "NAME=VALUE,...")]
    pub variant: Option<String>,
}

/// Which scenario: at least one word is needed.
#[derive(Args, Debug, Clone)]
pub struct ChoiceOfOne {
    /// Scenario files, or (parts of) the names of built-in ones
    #[arg(value_name = "FILE|NAME", required = true)]
    pub words: Vec<String>,
    /// Only variants with these values: `n=4096`, `n=4096,ends=pipe`
    #[arg(long, value_name = "NAME=VALUE,...")]
    pub variant: Option<String>,
}

impl From<&ChoiceOfOne> for Choice {
    fn from(one: &ChoiceOfOne) -> Choice {
        Choice {
            words: one.words.clone(),
            variant: one.variant.clone(),
        }
    }
}

/// What the model assumes.
#[derive(Args, Debug, Clone)]
pub struct ModelArgs {
    /// The behaviours that the model offers where POSIX leaves room
    #[arg(long, value_enum, default_value_t = Model::Linux)]
    pub model: Model,
    /// States after which exploring is given up as incomplete
    #[arg(long, value_name = "N", default_value_t = ExploreOptions::default().max_states)]
    pub max_states: usize,
}

/// A flavour of the model.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Model {
    /// What Linux does
    Linux,
    /// All that POSIX allows
    Posix,
}

impl Model {
    /// Its name, as `under` in a scenario has it.
    pub fn name(self) -> &'static str {
        match self {
            Model::Linux => "linux",
            Model::Posix => "posix",
        }
    }
}

impl ModelArgs {
    /// What a run on the model alone assumes.
    pub fn config(&self) -> Config {
        let flavor = match self.model {
            Model::Linux => Flavor::Linux,
            Model::Posix => Flavor::Posix,
        };
        Config {
            flavor,
            ..Config::default()
        }
    }

    /// The same, with the limits that the administrator of this machine has set.
    pub fn config_here(&self) -> Config {
        let mut config = self.config();
        let limit = std::fs::read_to_string("/proc/sys/fs/pipe-max-size");
        if let Some(limit) = limit.ok().and_then(|n| n.trim().parse().ok()) {
            config.pipe_max_size = limit;
        }
        config
    }

    /// How to explore.
    pub fn explore(&self) -> ExploreOptions {
        ExploreOptions {
            config: self.config(),
            max_states: self.max_states,
            ..ExploreOptions::default()
        }
    }

    /// The options that differ from their defaults, as they were given.
    pub fn given(&self) -> String {
        match self.model {
            Model::Linux => String::new(),
            Model::Posix => " --model posix".into(),
        }
    }
}

/// How to run on this kernel.
#[derive(Args, Debug, Clone)]
pub struct KernelArgs {
    /// Scenarios at a time; as many as there are processors if left out
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<NonZeroUsize>,
    /// How the conductor knows that every process sleeps
    #[arg(long, value_enum, default_value_t = QuietMethod::Auto)]
    pub quiet_method: QuietMethod,
}

/// How it is known that every process sleeps.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuietMethod {
    /// The best that this machine permits
    Auto,
    /// Real-time priorities on one processor
    Realtime,
    /// One processor, and a look that nobody interrupted
    Pinned,
    /// Two looks in a row that find nobody has run
    DoubleCollect,
}

impl KernelArgs {
    /// How many at a time.
    pub fn jobs(&self) -> usize {
        let here = || std::thread::available_parallelism();
        self.jobs
            .map_or_else(|| here().map_or(1, usize::from), usize::from)
    }

    /// How a sandbox is to be.
    pub fn options(&self) -> real::Options {
        let quiet = match self.quiet_method {
            QuietMethod::Auto => real::Quiet::Auto,
            QuietMethod::Realtime => real::Quiet::Realtime,
            QuietMethod::Pinned => real::Quiet::Pinned,
            QuietMethod::DoubleCollect => real::Quiet::DoubleCollect,
        };
        real::Options {
            quiet,
            ..real::Options::default()
        }
    }
}

/// The form in which results come out.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// For people
    #[default]
    Text,
    /// One object a line
    Json,
    /// The kernel's test protocol
    Ktap,
    /// JUnit's XML
    Junit,
}

/// The form in which results come out, where there are two.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Plain {
    /// For people
    #[default]
    Text,
    /// One object a line
    Json,
}

/// `lockstep run`.
#[derive(Args, Debug, Clone)]
pub struct RunArgs {
    #[command(flatten)]
    pub choice: Choice,
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub kernel: KernelArgs,
    /// The form of the results
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// The seed of all that is chosen at random
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Replay one schedule, on the model and on this kernel: `writer reader*2`
    #[arg(long, value_name = "SCHEDULE")]
    pub schedule: Option<String>,
    /// Rounds of the race; 0 for none
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub rounds: u32,
    /// The model alone: hold it against what the scenarios say
    #[arg(long)]
    pub no_kernel: bool,
    /// Run everything so many times, each with the next seed
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub repeat: u32,
}

/// `lockstep explore`.
#[derive(Args, Debug)]
pub struct ExploreArgs {
    #[command(flatten)]
    pub choice: ChoiceOfOne,
    #[command(flatten)]
    pub model: ModelArgs,
    /// Take every action from every state, without reduction
    #[arg(long)]
    pub naive: bool,
    /// Tell of each outcome which clauses every schedule that leads to it rests on
    #[arg(long)]
    pub certain: bool,
    /// Replay one schedule instead, and show its trace
    #[arg(long, value_name = "SCHEDULE")]
    pub schedule: Option<String>,
    /// The form of the results
    #[arg(long, value_enum, default_value_t)]
    pub format: Plain,
}

/// `lockstep simulate`.
#[derive(Args, Debug)]
pub struct SimulateArgs {
    #[command(flatten)]
    pub choice: ChoiceOfOne,
    #[command(flatten)]
    pub model: ModelArgs,
    /// The seed
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Show each step of the kernel, also those that nobody sees: waking up in vain
    #[arg(long)]
    pub steps: bool,
    /// The form of the results
    #[arg(long, value_enum, default_value_t)]
    pub format: Plain,
}

/// `lockstep random`.
#[derive(Args, Debug)]
pub struct RandomArgs {
    /// How many scenarios
    #[arg(short = 'n', long, value_name = "N", default_value_t = NonZeroU32::new(1000).expect("it is not 0"))]
    pub number: NonZeroU32,
    /// The seed they are made from
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Only the one of this number
    #[arg(long, value_name = "N")]
    pub case: Option<u64>,
    /// Print the scenario, do not run it
    #[arg(long)]
    pub text: bool,
    /// Made of these mechanisms only: fd, pipe, fifo, posix_mq, sysv_msg, signal, ready,
    /// process
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = super::random::named)]
    pub only: Vec<&'static lockstep::random::Mechanism>,
}

/// `lockstep race`.
#[derive(Args, Debug)]
pub struct RaceArgs {
    #[command(flatten)]
    pub choice: ChoiceOfOne,
    #[command(flatten)]
    pub model: ModelArgs,
    /// Rounds: half of them on all processors, half on one
    #[arg(short = 'n', long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub rounds: u32,
    /// The seed of the delays at the start
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// The form of the results
    #[arg(long, value_enum, default_value_t)]
    pub format: Plain,
}

/// `lockstep matrix`.
#[derive(Args, Debug)]
pub struct MatrixArgs {
    #[command(flatten)]
    pub choice: Choice,
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub kernel: KernelArgs,
    /// The time that loom may take for each scenario
    #[arg(long, value_name = "S", default_value_t = 2.0, value_parser = seconds)]
    pub loom_seconds: f64,
    /// The most preemptions in a schedule of loom's; all schedules if left out
    #[arg(long, value_name = "N")]
    pub loom_preemptions: Option<usize>,
    /// Schedules that shuttle tries for each scenario
    #[arg(long, value_name = "N", default_value_t = 2000)]
    pub shuttle_executions: usize,
    /// Rounds of the race
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub rounds: u32,
    /// The seed of all that is chosen at random
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// The model's engines alone
    #[arg(long)]
    pub no_kernel: bool,
    /// The form of the results
    #[arg(long, value_enum, default_value_t)]
    pub format: Plain,
}

/// `lockstep list`.
#[derive(Args, Debug)]
pub struct ListArgs {
    #[command(flatten)]
    pub choice: Choice,
    /// The calls that a scenario can make, instead
    #[arg(long, conflicts_with_all = ["words", "variant"])]
    pub calls: bool,
    /// The form of the results
    #[arg(long, value_enum, default_value_t)]
    pub format: Plain,
}

/// `lockstep show`.
#[derive(Args, Debug)]
pub struct ShowArgs {
    #[command(flatten)]
    pub choice: ChoiceOfOne,
    #[command(flatten)]
    pub model: ModelArgs,
    /// The schedule to show; a witness of the first outcome if left out
    #[arg(long, value_name = "SCHEDULE", conflicts_with = "seed")]
    pub schedule: Option<String>,
    /// Show a seeded run
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
}

/// `lockstep explain`.
#[derive(Args, Debug)]
pub struct ExplainArgs {
    /// The clauses: `PIPE-031`
    #[arg(value_name = "CLAUSE", required = true)]
    pub clauses: Vec<String>,
    /// The form of the results
    #[arg(long, value_enum, default_value_t)]
    pub format: Plain,
}

/// `lockstep coverage`.
#[derive(Args, Debug)]
pub struct CoverageArgs {
    #[command(flatten)]
    pub choice: Choice,
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub kernel: KernelArgs,
    /// Rounds, at most, of a race for clauses that nothing else has shown; 0 for none
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub rounds: u32,
    /// The seed of all that is chosen at random
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// The model alone: nothing is then agreed
    #[arg(long)]
    pub no_kernel: bool,
    /// The form of the results
    #[arg(long, value_enum, default_value_t)]
    pub format: Plain,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(s) if s > 0.0 && s <= 86_400.0 => Ok(s),
        _ => Err("a number of seconds, up to a day".into()),
    }
}
