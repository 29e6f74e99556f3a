//! What this machine lets a sandbox do, and which programs it can run therefore.

use crate::options::Quiet;
use crate::{capability, posix_mq, sysctl};
use scenario::ast::Need;
use scenario::{Arg, Program, Sys, Value};
use serde::{Deserialize, Serialize};

/// A namespace, and whether it was to be had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespace {
    /// `user`, `pid`, `ipc`, `mount`, `net`.
    pub name: String,
    /// Why not, if not.
    pub refused: Option<String>,
}

/// What a sandbox found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The kernel's release: `6.18.44`.
    pub release: String,
    /// Whether workers are user id 0 of the machine, with other user ids to change to.
    pub root: bool,
    /// Whether the sandbox has a user namespace of its own. Its capabilities then count only
    /// towards what the sandbox owns.
    pub user_namespace: bool,
    /// The other namespaces.
    pub namespaces: Vec<Namespace>,
    /// The capabilities that it holds, as a bit set. Of some workers are deprived, unless their program
    /// needs them: what [`Facts::can_run`] says of a need is true of them.
    pub capabilities: u64,
    /// How the conductor knows that the system is quiet. A program that has nice values is not played
    /// with real-time priorities: [`Quiet::Pinned`] stands in for [`Quiet::Realtime`] then.
    pub quiet: Quiet,
    /// Why it is that way.
    pub quiet_reason: String,
    /// Why workers cannot begin with nice value 0, if so.
    pub nice_refused: Option<String>,
    /// The CPUs that the sandbox may use.
    pub cpus: Vec<usize>,
    /// The one that lockstep runs on.
    pub cpu: usize,
    /// Why workers cannot set the limits of their IPC namespace, if so.
    pub limits_refused: Option<String>,
    /// Facilities of the kernel that scenarios may need: `posix_mq`.
    pub facilities: Vec<String>,
}

/// Why a program is not run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Skip(pub String);

/// Those that the kernel asks for in the machine's own user namespace: one that was gained with a
/// new namespace does not count.
const MACHINE_WIDE: &[&str] = &[
    "CAP_SYS_RESOURCE",
    "CAP_SYS_NICE",
    "CAP_SYS_ADMIN",
    "CAP_IPC_LOCK",
];

impl Facts {
    /// Whether a namespace is there.
    pub fn has_namespace(&self, name: &str) -> bool {
        self.namespaces
            .iter()
            .any(|n| n.name == name && n.refused.is_none())
    }

    /// Whether no process or file of the machine can be reached.
    pub fn is_closed(&self) -> bool {
        self.has_namespace("pid") && self.has_namespace("mount")
    }

    /// The kernel's version: major and minor.
    pub fn version(&self) -> (u32, u32) {
        let mut numbers = self
            .release
            .split(['.', '-'])
            .map(|n| n.parse().unwrap_or(0));
        (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
    }

    /// Whether workers hold a capability; none if that has no plain answer.
    fn holds(&self, name: &str) -> Result<bool, Skip> {
        let Some(bit) = capability::bit(name) else {
            return Err(Skip(format!("`{name}` is no capability")));
        };
        let held = self.capabilities & bit != 0;
        if held && self.user_namespace {
            if MACHINE_WIDE.contains(&name) {
                return Ok(false);
            }
            return Err(Skip(format!(
                "{name} is held in the sandbox's user namespace only, which decides some things and not others"
            )));
        }
        Ok(held)
    }

    /// Whether the program can be run, else why not.
    pub(crate) fn can_run(&self, program: &Program) -> Result<(), Skip> {
        for need in &program.needs {
            match need {
                Need::Root(_) if !self.root => {
                    return Err(Skip(
                        "needs root: user id 0 with the usual capabilities, and other user ids"
                            .into(),
                    ));
                }
                Need::Root(_) => {}
                Need::Linux(major, minor, _) => {
                    if self.version() < (*major, *minor) {
                        return Err(Skip(format!(
                            "needs linux>={major}.{minor}, this is {}",
                            self.release
                        )));
                    }
                }
                // Nobody holds what is withheld.
                Need::Capability { name, held: false } if capability::is_withheld(&name.text) => {}
                Need::Capability { name, held } => {
                    if self.holds(&name.text)? != *held {
                        let which = if *held { "not held" } else { "held" };
                        return Err(Skip(format!("{} is {which}", name.text)));
                    }
                }
                Need::Facility(name) => {
                    if !self.facilities.contains(&name.text) {
                        return Err(Skip(format!("this kernel has no {}", name.text)));
                    }
                }
            }
        }
        if let (true, Some(why)) = (program.has_nice_values(), &self.nice_refused) {
            return Err(Skip(format!("it has nice values, and {why}")));
        }
        let mut stmts = program.tasks.iter().flat_map(|t| &t.body);
        if !self.has_namespace("ipc") && stmts.any(|s| crate::sysv_msg::is_one(s.sys)) {
            return Err(Skip(
                "it uses System V objects, and the sandbox has no ipc namespace".into(),
            ));
        }
        let mut stmts = program.tasks.iter().flat_map(|t| &t.body);
        if !self.has_namespace("ipc") && stmts.any(|s| posix_mq::names_queue(s.sys)) {
            return Err(Skip(
                "it names message queues, and the sandbox has no ipc namespace".into(),
            ));
        }
        self.can_use_limits(program)?;
        if crate::exec::is_out_of_reach(program) {
            return Err(Skip(
                "it executes a program as another user than 0, who cannot reach it".into(),
            ));
        }
        if !self.is_closed() {
            harmless(program, self)?;
        }
        Ok(())
    }

    /// Refuses a program that would read or set limits other than those of a namespace of its own.
    fn can_use_limits(&self, program: &Program) -> Result<(), Skip> {
        let has = |f: fn(Sys) -> bool| {
            let mut stmts = program.tasks.iter().flat_map(|t| &t.body);
            stmts.any(|s| f(s.sys))
        };
        if !has(sysctl::is_one) {
            return Ok(());
        }
        let sets = has(|sys| sys == Sys::SysctlWrite);
        let refuse = |why: &str| {
            let does = if sets { "sets" } else { "reads" };
            Err(Skip(format!(
                "it {does} limits of the IPC namespace, {why}"
            )))
        };
        if !self.has_namespace("ipc") {
            return refuse("and the sandbox has no ipc namespace");
        }
        if sysctl::is_beside_threads(program) {
            return refuse("in a process whose threads could see the descriptor that it takes");
        }
        match &self.limits_refused {
            Some(why) if sets => refuse(&format!("which this kernel does not permit here: {why}")),
            _ => Ok(()),
        }
    }
}

/// Refuses what could reach processes and files of the machine.
fn harmless(program: &Program, facts: &Facts) -> Result<(), Skip> {
    let lacking: Vec<_> = facts
        .namespaces
        .iter()
        .filter_map(|n| n.refused.as_ref().map(|why| format!("{} ({why})", n.name)))
        .collect();
    let refuse = |what: &str| {
        Err(Skip(format!(
            "{what}, and the sandbox lacks namespaces: {}",
            lacking.join(", ")
        )))
    };
    for stmt in program.tasks.iter().flat_map(|t| &t.body) {
        match stmt.sys {
            // 0 is the caller's group, which is the run's.
            sys if crate::signal::sent_to(sys).is_some_and(|at| {
                !matches!(
                    stmt.args.get(at),
                    Some(Arg::Value(Value::Task(_) | Value::Int(0)))
                )
            }) =>
            {
                return refuse("it signals a process by number");
            }
            Sys::Execve | Sys::Exec => return refuse("it executes a file"),
            Sys::Setuid | Sys::Setgid | Sys::Seteuid | Sys::Setgroups => {
                return refuse("it changes its user");
            }
            _ => {}
        }
        let outside = |a: &Arg| matches!(a, Arg::Value(Value::Path(p)) if p.starts_with('/') || p.contains(".."));
        if !posix_mq::names_queue(stmt.sys) && stmt.args.iter().any(outside) {
            return refuse("it names a file outside its directory");
        }
    }
    Ok(())
}
