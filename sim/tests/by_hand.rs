//! Explorations and runs that were worked out by hand.

use scenario::{Clause, Outcome, Program, Schedule, TaskId, What, load};
use sim::kernel::Config;
use sim::{
    ExploreOptions, Explored, ReplayError, certain, clause, explore, explore_naive, replay,
    simulate,
};
use std::collections::BTreeSet;
use std::fmt::Write as _;

fn program(text: &str) -> Program {
    let mut all = load("t.ipc", text).unwrap_or_else(|e| panic!("{e:?}\n{text}"));
    assert_eq!(all.len(), 1);
    all.remove(0)
}

fn shown(program: &Program, explored: &Explored) -> Vec<String> {
    let outcomes = explored.outcomes.keys();
    outcomes.map(|o| program.show_outcome(o)).collect()
}

/// The scenario of the page of `sim::explore`.
const BYTE: &str = "
test t/byte
setup
  pipe() = [r, w]
process writer
  write(w, \"a\")
process reader
  read(r, 1) = x
";

#[test]
fn a_byte_through_a_pipe_has_ten_states() {
    let program = program(BYTE);
    let options = ExploreOptions::default();
    let naive = explore_naive(&program, &options).unwrap();
    assert_eq!((naive.states, naive.transitions), (10, 13));
    let reduced = explore(&program, &options).unwrap();
    assert_eq!((reduced.states, reduced.transitions), (7, 7));
    for explored in [naive, reduced] {
        assert_eq!(shown(&program, &explored), ["x = \"a\""]);
        let schedule = &explored.outcomes.values().next().unwrap();
        assert_eq!(schedule.0.len(), 4, "{}", schedule.show(&program));
        assert!(explored.complete && explored.deadlocks == 0);
    }
}

#[test]
fn a_reader_too_many_may_wait_for_ever() {
    let program = program(
        "
test t/two-readers
setup
  pipe() = [r, w]
process writer
  write(w, \"a\")
process one
  read(r, 1) = x
process two
  read(r, 1) = y
",
    );
    let explored = explore(&program, &ExploreOptions::default()).unwrap();
    // Whoever loses keeps a write descriptor itself, and so sees no end of file.
    assert_eq!(explored.outcomes.len(), 2);
    assert_eq!(explored.deadlocks, 2);
}

#[test]
fn what_is_too_large_says_so() {
    let program = program(BYTE);
    let options = ExploreOptions {
        max_states: 5,
        ..ExploreOptions::default()
    };
    for explored in [
        explore(&program, &options).unwrap(),
        explore_naive(&program, &options).unwrap(),
    ] {
        assert!(!explored.complete);
        let why = explored.incomplete_because.as_deref();
        assert_eq!(why, Some("more than 5 states"));
    }
}

#[test]
fn a_bound_on_preemptions_that_is_met_says_so() {
    let program = program(BYTE);
    let bounded = |n| {
        let options = ExploreOptions {
            preemptions: Some(n),
            ..ExploreOptions::default()
        };
        explore(&program, &options).unwrap()
    };
    let none = bounded(0);
    assert_eq!(
        none.incomplete_because.as_deref(),
        Some("only schedules of at most 0 preemptions")
    );
    // Reader, writer, reader: to let the writer write while the reader could have gone on with what
    // it read is one; the writer that is interrupted before its exit is another.
    assert!(!bounded(1).complete && bounded(2).complete);
    assert_eq!(bounded(2).outcomes.len(), 1);
}

/// So many pairs of a writer and a reader, each on a pipe that nobody else has.
fn pairs(n: usize) -> Program {
    let mut text = String::from("test t/pairs\n");
    for p in 0..n {
        writeln!(
            text,
            "process p{p}
  pipe() = [r, w]
  fork c{p}
    write(w, \"a\")
    write(w, \"b\")
  close(w)
  read(r, 1) = x{p}
  read(r, 1) = y{p}
  read(r, 1) = z{p}"
        )
        .unwrap();
    }
    program(&text)
}

#[test]
fn pairs_that_share_nothing_are_explored_one_after_the_other() {
    let options = ExploreOptions::default();
    let [one, two, three] = [1, 2, 3].map(|n| explore(&pairs(n), &options).unwrap());
    assert_eq!(one.outcomes.len(), 1);
    assert_eq!(two.states - 1, 2 * (one.states - 1));
    assert_eq!(three.states - 1, 3 * (one.states - 1));
    // Plain exploration has the product instead.
    let alone = explore_naive(&pairs(1), &options).unwrap();
    let naive = explore_naive(&pairs(2), &options).unwrap();
    assert_eq!(naive.states, alone.states * alone.states);
    assert!(naive.outcomes.keys().eq(two.outcomes.keys()));
}

#[test]
fn bytes_that_nobody_looks_at_are_not_told_apart() {
    let text = |binds: &str| {
        format!(
            "
test t/bytes
setup
  pipe() = [r, w]
process one
  write(w, \"a\")
  write(w, \"b\")
process two
  write(w, \"c\")
  write(w, \"d\")
process reader
  read(r, 4){binds}
"
        )
    };
    let options = ExploreOptions::default();
    let blind = explore(&program(&text("")), &options).unwrap();
    let seeing = program(&text(" = x"));
    let seen = explore(&seeing, &options).unwrap();
    assert!(2 * blind.states < seen.states);
    assert_eq!(blind.outcomes.len(), 1);
    // One to four bytes of an interleaving: 2, 4 (two of one, or one of each in both orders), 6, 6.
    assert_eq!(seen.outcomes.len(), 18, "{:#?}", shown(&seeing, &seen));
}

#[test]
fn an_order_leaves_one_way() {
    let program = program(
        "
test t/order
setup
  sigaction(SIGUSR1, record) = 0
process receiver
  sigprocmask(SIG_BLOCK, [SIGUSR1]) = 0
  sigpending() = [SIGUSR1]
  sigprocmask(SIG_UNBLOCK, [SIGUSR1]) = 0
process sender
  kill(receiver, SIGUSR1) = 0
  kill(receiver, SIGUSR1) = 0
order receiver sender*2 receiver*2
always handled(receiver) == [SIGUSR1]
",
    );
    let [receiver, sender] = [1, 2].map(TaskId);
    for explored in [
        explore(&program, &ExploreOptions::default()).unwrap(),
        explore_naive(&program, &ExploreOptions::default()).unwrap(),
    ] {
        assert_eq!(explored.outcomes.len(), 1);
        let (outcome, schedule) = explored.outcomes.first_key_value().unwrap();
        assert!(outcome.failed.is_empty());
        assert!(program.conditions[0].holds(&program, outcome));
        let order = schedule.ordering();
        assert_eq!(order[..5], [receiver, sender, sender, receiver, receiver]);
    }
}

#[test]
fn an_order_passes_over_who_sleeps() {
    let program = program(
        "
test t/order
setup
  pipe() = [r, w]
process reader
  read(r, 1) = x
process writer
  write(w, \"a\")
order reader*2 writer*2
",
    );
    let explored = explore(&program, &ExploreOptions::default()).unwrap();
    let schedules: Vec<_> = explored.outcomes.values().collect();
    assert_eq!(schedules.len(), 1);
    assert_eq!(
        schedules[0].show(&program),
        "reader writer reader+ writer reader"
    );
}

#[test]
fn a_seed_gives_the_same_run_on_every_machine() {
    let program = program(BYTE);
    let schedules: Vec<String> = (0..6)
        .map(|seed| {
            let once = simulate(&program, Config::default(), seed).unwrap();
            once.schedule.show(&program)
        })
        .collect();
    let slept = "reader writer reader+ writer reader";
    let ready = "writer reader*2 writer";
    assert_eq!(
        schedules,
        [slept, slept, ready, ready, slept, "writer*2 reader*2"]
    );
}

#[test]
fn a_trace_tells_who_blocked() {
    let program = program(BYTE);
    let schedule = Schedule::parse("reader writer", &program).unwrap();
    let run = replay(&program, Config::default(), &schedule).unwrap();
    let (writer, reader) = (TaskId(1), TaskId(2));
    let events: Vec<_> = run.trace.events.iter().map(|e| (e.task, &e.what)).collect();
    let place = |task, what: &What| {
        let at = events.iter().position(|e| *e == (task, what));
        at.unwrap_or_else(|| panic!("no {what:?} in {events:?}"))
    };
    let blocked = place(reader, &What::Block(0));
    assert!(place(reader, &What::Issue(0)) < blocked);
    assert!(blocked < place(writer, &What::Issue(0)));
    assert!(blocked < place(reader, &What::Return(0, "a".into())));
    // What the schedule leaves open follows: first what is under way, then the first task.
    let steps = Schedule(run.steps.into_iter().map(|(action, _)| action).collect());
    assert_eq!(steps.show(&program), "reader writer reader+ writer reader");
}

#[test]
fn a_schedule_that_cannot_be_says_where_and_what_could() {
    let program = program(BYTE);
    let schedule = Schedule::parse("reader reader writer", &program).unwrap();
    let error = replay(&program, Config::default(), &schedule).unwrap_err();
    assert_eq!(
        error.to_string(),
        "schedule word 2, `reader`, cannot come here; what can: writer"
    );
    let late = Schedule::parse("writer*2 reader*2 reader", &program).unwrap();
    let error = replay(&program, Config::default(), &late).unwrap_err();
    assert_eq!(
        error.to_string(),
        "schedule word 5, `reader`, cannot come here; the run is over"
    );
    assert!(matches!(error, ReplayError::NotEnabled { position: 5, .. }));
}

/// The scenario of the page of `sim::explore::certain`.
const KILLED: &str = "
test t/killed
setup
  mq_open_attr(\"/q\", O_CREAT|O_RDWR, 0o600, 2, 16) = q
process receiver
  mq_receive(q, 16)
process sender
  NOTIFY
  kill(receiver, SIGKILL)
  mq_send(q, \"x\", 0)
  mq_getattr(q) = [_, _, _, left]
  AGAIN
always left == 0 or left == 1
";

#[test]
fn what_is_certain_of_a_lost_message() {
    let options = ExploreOptions::default();
    let cites = |text: &str| -> Vec<String> {
        let program = program(text);
        let certain = certain(&program, &options).unwrap();
        let shared = certain.of_all();
        let three = [clause::MQ_065, clause::MQ_063, clause::SIG_230];
        assert!(three.iter().all(|c| !shared.contains(c)));
        let line = |(outcome, clauses): (&Outcome, &BTreeSet<Clause>)| {
            let of_three: Vec<String> = three
                .iter()
                .filter(|c| clauses.contains(c))
                .map(ToString::to_string)
                .collect();
            let outcome = program.show_outcome(outcome);
            format!("{outcome}: {}", of_three.join(" "))
        };
        certain.clauses.iter().map(line).collect()
    };
    // The message may have been lost with a receiver to which it was handed, or with one who came
    // for it after it had been queued. It may have stayed because the receiver had gone, or because
    // it never came.
    let unseen = KILLED.replace("NOTIFY", "").replace("AGAIN", "");
    assert_eq!(
        cites(&unseen),
        [
            "left = 0; receiver killed by SIGKILL: SIG-230",
            "left = 1; receiver killed by SIGKILL: "
        ]
    );
    let seen = KILLED
        .replace("NOTIFY", "mq_notify(q, SIGEV_NONE)")
        .replace("AGAIN", "mq_notify(q, SIGEV_NONE) = again")
        .replace("always ", "always again == again or ");
    assert_eq!(
        cites(&seen),
        [
            "left = 0, again = 0; receiver killed by SIGKILL: SIG-230",
            "left = 0, again = -1 EBUSY; receiver killed by SIGKILL: MQ-065 SIG-230",
            "left = 1, again = 0; receiver killed by SIGKILL: "
        ]
    );
}

#[test]
fn nothing_is_certain_of_what_is_too_large() {
    let options = ExploreOptions {
        max_states: 9,
        ..ExploreOptions::default()
    };
    let found = certain(&program(BYTE), &options).unwrap();
    assert!(found.clauses.is_empty() && found.of_all().is_empty());
    let why = found.incomplete_because.as_deref();
    assert_eq!(why, Some("more than 9 states"));
    let all = certain(&program(BYTE), &ExploreOptions::default()).unwrap();
    assert_eq!((all.states, all.incomplete_because), (10, None));
}
