//! The explorer against its oracle, on small scenarios made at random; replays of what it found.

use proptest::prelude::*;
use scenario::{Clause, Outcome, Program, Schedule, load};
use sim::kernel::{Config, Flavor};
use sim::{ExploreOptions, System, certain, explore, explore_naive, replay, simulate};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::ops::Range;

fn program(text: &str) -> Program {
    let mut all = load("t.ipc", text).unwrap_or_else(|e| panic!("{e:?}\n{text}"));
    assert_eq!(all.len(), 1);
    all.remove(0)
}

/// A call as three numbers: which, and two that choose its arguments.
type Call = (u8, u8, u8);

/// What a random scenario is made of.
#[derive(Clone, Debug)]
struct Recipe {
    pipes: u8,
    fifo: bool,
    small: bool,
    handlers: u8,
    bodies: Vec<Vec<Call>>,
    child: Option<(bool, Vec<Call>)>,
}

fn recipe() -> impl Strategy<Value = Recipe> {
    recipe_of(2..4, 1..4)
}

/// With so many processes, of so many calls each.
fn recipe_of(processes: Range<usize>, calls: Range<usize>) -> impl Strategy<Value = Recipe> {
    let call = || (0..CALLS, any::<u8>(), any::<u8>());
    (
        1..=2u8,
        any::<bool>(),
        any::<bool>(),
        0..8u8,
        prop::collection::vec(prop::collection::vec(call(), calls), processes),
        prop::option::of((any::<bool>(), prop::collection::vec(call(), 1..3))),
    )
        .prop_map(|(pipes, fifo, small, handlers, bodies, child)| Recipe {
            pipes,
            fifo,
            small,
            handlers,
            bodies,
            child,
        })
}

impl Recipe {
    fn text(&self) -> String {
        let mut text = String::from("test t/random\nsetup\n");
        for p in 0..self.pipes {
            writeln!(text, "  pipe() = [r{p}, w{p}]").unwrap();
        }
        if self.small {
            writeln!(text, "  fcntl(w0, F_SETPIPE_SZ, 4096)").unwrap();
        }
        // Queues only where they are used: without them bytes can be left out of sight.
        let child = self.child.iter().map(|(_, calls)| calls);
        if self
            .bodies
            .iter()
            .chain(child)
            .flatten()
            .any(|c| c.0 > EXIT)
        {
            writeln!(
                text,
                "  mq_open_attr(\"/q\", O_CREAT|O_RDWR, 0o600, 1, 8) = q"
            )
            .unwrap();
            writeln!(text, "  msgget(7, IPC_CREAT|0o600) = v").unwrap();
        }
        writeln!(text, "  mkfifo(\"f\", 0o666)").unwrap();
        for (bit, signal) in ["SIGUSR1", "SIGPIPE", "SIGCHLD"].iter().enumerate() {
            if self.handlers >> bit & 1 == 1 {
                writeln!(text, "  sigaction({signal}, record, SA_RESTART)").unwrap();
            }
        }
        for (at, body) in self.bodies.iter().enumerate() {
            writeln!(text, "process p{at}").unwrap();
            let mut names = Names::default();
            for (n, call) in until_exit(body).iter().enumerate() {
                if let (0, 0, Some((thread, calls))) = (at, n, &self.child) {
                    let word = if *thread { "thread" } else { "fork" };
                    writeln!(text, "  {word} child").unwrap();
                    let mut names = names.clone();
                    for (n, call) in until_exit(calls).iter().enumerate() {
                        writeln!(
                            text,
                            "    {}",
                            self.call(*call, &mut names, &format!("c{n}"))
                        )
                        .unwrap();
                    }
                }
                writeln!(
                    text,
                    "  {}",
                    self.call(*call, &mut names, &format!("x{at}{n}"))
                )
                .unwrap();
            }
        }
        text
    }

    /// A call, with `name` bound to what it returns.
    fn call(&self, (which, a, b): Call, names: &mut Names, name: &str) -> String {
        let pipe = a % self.pipes;
        let other = (pipe + 1) % self.pipes;
        let data = (b'a' + b % 3) as char;
        let fifo_end = names
            .opened
            .get(usize::from(a) % names.opened.len().max(1))
            .cloned();
        let target = format!("p{}", usize::from(a) % self.bodies.len());
        let signal = ["SIGUSR1", "SIGTERM", "SIGKILL", "SIGSTOP", "SIGCONT"][usize::from(b) % 5];
        match which {
            0..=3 => format!("write(w{pipe}, \"{data}\") = {name}"),
            4 => format!("write(w{pipe}, \"{data}\"*5000) = {name}"),
            5..=8 => format!("read(r{pipe}, {}) = {name}", 1 + b % 3),
            9 => format!("close(r{pipe}) = {name}"),
            10 | 11 => format!("close(w{pipe}) = {name}"),
            12 => {
                names.opened.push(name.into());
                let end = if b % 2 == 0 { "r" } else { "w" };
                format!("dup({end}{pipe}) = {name}")
            }
            13 | 14 if self.fifo => {
                names.opened.push(name.into());
                let flags = [
                    "O_RDONLY",
                    "O_WRONLY",
                    "O_RDONLY|O_NONBLOCK",
                    "O_WRONLY|O_NONBLOCK",
                    "O_RDWR",
                ];
                format!("open(\"f\", {}) = {name}", flags[usize::from(b) % 5])
            }
            13 | 15 => match fifo_end {
                Some(fd) if b % 2 == 0 => format!("read({fd}, 2) = {name}"),
                Some(fd) => format!("write({fd}, \"{data}\") = {name}"),
                None => format!("read(r{pipe}, 1) = {name}"),
            },
            14 => match fifo_end {
                Some(fd) => format!("close({fd}) = {name}"),
                None => format!("close(w{pipe}) = {name}"),
            },
            16 => format!("kill({target}, {signal}) = {name}"),
            17 => format!(
                "poll([[r{pipe}, POLLIN], [w{other}, POLLOUT]], {}) = {name}",
                -i32::from(b % 2)
            ),
            18 => format!("fcntl(r{pipe}, F_SETFL, O_NONBLOCK) = {name}"),
            19 if self.pipes == 2 => format!("splice(r{pipe}, w{other}, {}) = {name}", 1 + b % 2),
            19 => format!("ioctl(r{pipe}, FIONREAD) = {name}"),
            20 => format!("fcntl(r{pipe}, F_SETOWN, {target}) = {name}"),
            21 => format!("fcntl(r{pipe}, F_SETFL, O_ASYNC) = {name}"),
            22 if b % 2 == 0 => format!("unlink(\"f\") = {name}"),
            22 => format!("dup2(w{other}, r{pipe}) = {name}"),
            EXIT => "exit(3)".into(),
            24 | 25 => format!("mq_send(q, \"{data}\", {}) = {name}", b % 2),
            26 => format!("mq_receive(q, 8) = {name}"),
            27 if b % 4 == 0 => format!("mq_notify(q, SIGEV_SIGNAL, SIGUSR1) = {name}"),
            27 if b % 4 == 1 => format!("close(q) = {name}"),
            27 if b % 4 == 2 => format!("mq_unlink(\"/q\") = {name}"),
            27 => format!("poll([[q, POLLIN]], {}) = {name}", -i32::from(a % 2)),
            28 | 29 => format!("msgsnd(v, {}, \"{data}\") = {name}", 1 + b % 2),
            30 => format!("msgrcv(v, 8, {}) = {name}", b % 3),
            _ if b % 4 == 0 => format!("msgctl(v, IPC_RMID) = {name}"),
            _ => format!("msgget(7, IPC_CREAT|0o600) = {name}"),
        }
    }
}

const EXIT: u8 = 23;
/// How many there are to choose from.
const CALLS: u8 = 32;

/// The calls up to an exit: behind it none could be made.
fn until_exit(calls: &[Call]) -> &[Call] {
    let exit = calls.iter().position(|c| c.0 == EXIT);
    &calls[..exit.map_or(calls.len(), |at| at + 1)]
}

#[derive(Clone, Default)]
struct Names {
    /// Names of descriptors that the task got itself.
    opened: Vec<String>,
}

fn check(text: &str, config: Config, seed: u64) -> Result<(), TestCaseError> {
    let program = program(text);
    let options = ExploreOptions {
        config,
        max_states: 60_000,
        ..ExploreOptions::default()
    };
    let naive = explore_naive(&program, &options).expect("the setup does not sleep");
    let reduced = explore(&program, &options).expect("the setup does not sleep");
    prop_assume!(naive.complete);
    prop_assert!(reduced.complete, "{text}");
    prop_assert!(
        reduced.states <= naive.states,
        "{} > {}\n{text}",
        reduced.states,
        naive.states
    );
    // Which of two closes is the last one is not told apart where it does not matter.
    prop_assert!(reduced.clauses.is_subset(&naive.clauses), "{text}");
    for outcome in naive.outcomes.keys() {
        let found = reduced.outcomes.contains_key(outcome);
        prop_assert!(
            found,
            "not found: {}\n{text}",
            program.show_outcome(outcome)
        );
    }
    for (outcome, schedule) in &reduced.outcomes {
        let found = naive.outcomes.contains_key(outcome);
        prop_assert!(found, "invented: {}\n{text}", program.show_outcome(outcome));
        let run = replay(&program, config, schedule).expect("a witness can be replayed");
        prop_assert_eq!(
            &run.outcome,
            outcome,
            "{}\n{}",
            schedule.show(&program),
            text
        );
        prop_assert_eq!(run.steps.len(), schedule.0.len());
        let read = Schedule::parse(&schedule.show(&program), &program);
        prop_assert_eq!(read.as_ref(), Ok(schedule));
    }
    prop_assert_eq!(reduced.deadlocks, naive.deadlocks);
    let once = simulate(&program, config, seed).expect("the setup does not sleep");
    prop_assert!(naive.outcomes.contains_key(&once.run.outcome), "{text}");
    prop_assert!(
        once == simulate(&program, config, seed).expect("as before"),
        "{text}"
    );
    let again =
        replay(&program, config, &once.schedule).expect("what was simulated can be replayed");
    prop_assert!(
        again == once.run,
        "{}\n{text}",
        once.schedule.show(&program)
    );
    Ok(())
}

/// Schedules that are looked at one by one, at most.
const MOST_WAYS: usize = 4_000;

/// What every schedule to an outcome cites, by taking them all.
struct Ways<'a> {
    program: &'a Program,
    shared: BTreeMap<Outcome, BTreeSet<Clause>>,
    taken: usize,
}

impl Ways<'_> {
    fn follow(&mut self, system: &System, cited: &BTreeSet<Clause>) {
        if self.taken > MOST_WAYS {
            return;
        }
        let actions = system.enabled(self.program);
        if actions.is_empty() {
            self.taken += 1;
            self.shared
                .entry(system.outcome(self.program))
                .and_modify(|shared| shared.retain(|c| cited.contains(c)))
                .or_insert_with(|| cited.clone());
        }
        for action in &actions {
            for (_, next, step) in system.take_each(self.program, action) {
                let mut cited = cited.clone();
                cited.extend(step.clauses);
                self.follow(&next, &cited);
            }
        }
    }
}

fn check_certain(text: &str, config: Config) -> Result<(), TestCaseError> {
    let program = program(text);
    let (start, setup) = System::start(&program, config).expect("the setup does not sleep");
    let mut ways = Ways {
        program: &program,
        shared: BTreeMap::new(),
        taken: 0,
    };
    ways.follow(&start, &setup.clauses.into_iter().collect());
    prop_assume!(ways.taken <= MOST_WAYS);
    let options = ExploreOptions {
        config,
        ..ExploreOptions::default()
    };
    let found = certain(&program, &options).expect("it could be started before");
    prop_assert_eq!(found.incomplete_because, None);
    prop_assert_eq!(found.clauses, ways.shared, "{}", text);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_reduced_explorer_agrees_with_the_naive_one(recipe in recipe(), seed: u64) {
        check(&recipe.text(), Config::default(), seed)?;
    }

    #[test]
    fn and_so_under_posix(recipe in recipe(), seed: u64) {
        let config = Config { flavor: Flavor::Posix, ..Config::default() };
        check(&recipe.text(), config, seed)?;
    }

    #[test]
    fn what_is_certain_is_what_all_schedules_cite(recipe in recipe_of(2..3, 1..3)) {
        check_certain(&recipe.text(), Config::default())?;
    }

    #[test]
    fn and_so_under_posix_too(recipe in recipe_of(2..4, 1..2)) {
        let config = Config { flavor: Flavor::Posix, ..Config::default() };
        check_certain(&recipe.text(), config)?;
    }
}
