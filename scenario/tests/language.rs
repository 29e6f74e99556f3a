//! The language, seen from outside: what scenarios come to.

use scenario::*;

fn one(text: &str) -> Program {
    let mut all = many(text);
    assert_eq!(all.len(), 1);
    all.remove(0)
}

fn many(text: &str) -> Vec<Program> {
    match load("t.ipc", text) {
        Ok(programs) => programs,
        Err(e) => panic!("{e:?}"),
    }
}

const BOUNDARIES: &str = r#"
test pipe/no-boundaries
"A pipe keeps the order of bytes
 and forgets where one write ended."
clauses PIPE-001 PIPE-002

setup
  pipe() = [r, w]

process writer
  write(w, "hello") = 5
  write(w, "world") = 5   # twice

process reader
  close(w)
  read(r, 64) = a
  read(r, 64) = b

sometimes  a == "hello" and b == "world"
sometimes  a == "helloworld"
never      a == "world"
"#;

#[test]
fn a_scenario_becomes_a_program() {
    let p = one(BOUNDARIES);
    assert_eq!(p.name, "pipe/no-boundaries");
    assert_eq!(
        p.description,
        "A pipe keeps the order of bytes and forgets where one write ended."
    );
    assert_eq!(p.clauses, ["PIPE-001", "PIPE-002"]);
    let names: Vec<_> = p.tasks.iter().map(|t| t.name.as_str()).collect();
    assert_eq!(names, ["setup", "writer", "reader"]);
    let texts: Vec<_> = p.tasks[2].body.iter().map(|s| s.text.as_str()).collect();
    assert_eq!(texts, ["close(w)", "read(r, 64)", "read(r, 64)", "exit(0)"]);
    assert!(p.tasks[2].body[3].implicit);
    assert_eq!(
        p.tasks[0].body[0].expect,
        Pattern::List(vec![Pattern::Bind(VarId(0)), Pattern::Bind(VarId(1))])
    );
    assert_eq!(
        p.tasks[1].body[0].args,
        [Arg::Var(VarId(1)), Arg::Value(Value::from("hello"))]
    );
    assert_eq!(p.tasks[1].body[0].expect, Pattern::Value(Value::Int(5)));
    assert_eq!(p.outcome_columns(), ["a", "b", "ends", "failed"]);
    let outcome = Outcome {
        values: vec![Some(Value::from("hello")), Some(Value::from("world"))],
        ends: vec![End::Exited(0), End::Exited(0)],
        handled: vec![],
        failed: Default::default(),
    };
    let holds: Vec<_> = p.conditions.iter().map(|c| c.holds(&p, &outcome)).collect();
    assert_eq!(holds, [true, false, false]);
    assert_eq!(p.show_outcome(&outcome), r#"a = "hello", b = "world""#);
}

#[test]
fn signals_and_orders() {
    let p = one(r#"
test signal/standard-signals-do-not-queue
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
"#);
    assert_eq!(p.order, Some([1, 2, 2, 1, 1].map(TaskId).to_vec()));
    assert_eq!(p.observed_signals, [TaskId(1)]);
}

#[test]
fn variables_make_variants() {
    let all = many(
        r#"
test pipe/atomic
with n in 4095, 4096
with flag in O_NONBLOCK
setup
  fcntl(0, F_GETFL)
process writer
  write(1, "a"*(n + 1)) = n + 1
  fcntl(1, F_SETFL, flag|O_APPEND) = 0
"#,
    );
    let names: Vec<_> = all.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "pipe/atomic[n=4095,flag=O_NONBLOCK]",
            "pipe/atomic[n=4096,flag=O_NONBLOCK]"
        ]
    );
    assert_eq!(all[1].tasks[1].body[0].text, "write(1, \"a\"*(4096 + 1))");
    assert_eq!(
        all[1].tasks[1].body[0].args[1],
        Arg::Value(Value::Data(Data::repeat(b'a', 4097)))
    );
}

#[test]
fn printing_and_parsing_again_changes_nothing() {
    let s = parse("t", BOUNDARIES).unwrap();
    let printed = s.to_string();
    assert_eq!(parse("t", &printed).unwrap(), s, "{printed}");
}

const FAMILY: &str = r#"
test signal/family
setup
  pipe() = [r, w]
process parent
  fcntl(r, F_GETPIPE_SZ) = size
  fork child
    dup2(r, w) = w
    read(r, 1) = a
    thread helper
      read(r, 1) = a
      exit(2)
    exit(1)
  read(r, 8) blocks = "x"
  close(r)
process other
  read(r, 1) = a
  kill(child, SIGRTMIN+1) = 0
always child.a == "x" and siginfo(child) == [[SIGRTMIN + 1, SI_USER, other]]
"#;

#[test]
fn children_and_threads_are_tasks_of_their_own() {
    let p = one(FAMILY);
    let tasks: Vec<_> = p.tasks.iter().map(|t| (t.name.as_str(), t.kind)).collect();
    assert_eq!(
        tasks,
        [
            ("setup", TaskKind::Setup),
            ("parent", TaskKind::Process),
            ("other", TaskKind::Process),
            ("child", TaskKind::Child(TaskId(1))),
            ("helper", TaskKind::Thread(TaskId(3))),
        ]
    );
    let texts = |task: usize| -> Vec<_> {
        p.tasks[task]
            .body
            .iter()
            .map(|s| (s.text.as_str(), s.implicit))
            .collect()
    };
    assert_eq!(
        texts(1),
        [
            ("fcntl(r, F_GETPIPE_SZ)", false),
            ("fork child", false),
            ("read(r, 8)", false),
            ("close(r)", false),
            ("exit(0)", true),
        ]
    );
    assert_eq!(texts(4), [("read(r, 1)", false), ("exit(2)", false)]);
    assert_eq!(
        p.tasks[1].body[1].args,
        [Arg::Value(Value::Task(TaskId(3)))]
    );
    let read = &p.tasks[1].body[2];
    assert!(read.blocks);
    assert_eq!(read.expect, Pattern::Value(Value::from("x")));
}

#[test]
fn a_known_name_means_the_same_again() {
    let p = one(FAMILY);
    assert_eq!(
        p.tasks[3].body[0].expect,
        Pattern::Same(VarId(1)),
        "setup's w"
    );
    let names: Vec<_> = p.vars.iter().map(|v| (v.label.as_str(), v.task)).collect();
    assert_eq!(
        names,
        [
            ("r", TaskId(0)),
            ("w", TaskId(0)),
            ("size", TaskId(1)),
            ("child.a", TaskId(3)),
            // The helper sees its starter's `a`, and so does not bind one.
            ("other.a", TaskId(2)),
        ]
    );
    assert_eq!(p.tasks[4].body[0].expect, Pattern::Same(VarId(3)));
    assert_eq!(p.observed, [VarId(3)]);
}

#[test]
fn arguments_are_what_their_parameters_take() {
    let p = one(r#"
test pipe/arguments
process p
  open("f", O_RDWR|O_CREAT, 0o600) = fd
  open("f", O_RDONLY)
  fcntl(fd, F_SETFL, 0)
  poll([[fd, POLLIN|POLLOUT], [5, 0]], -1)
  writev(fd, ["a", fault(3, 10)])
  readv(fd, [1, outside(2)])
  kill(p, 0)
  sigprocmask(SIG_BLOCK, [SIGUSR1, SIGRTMAX])
"#);
    let args = |at: usize| p.tasks[1].body[at].args.clone();
    let value = |v: Value| Arg::Value(v);
    let bad = |fault, valid: Data, count| {
        Value::Memory(BadMemory {
            fault,
            valid,
            count,
        })
    };
    assert_eq!(args(0)[0], value(Value::Path("f".into())));
    assert_eq!(args(0)[2], value(Value::Bits(Bits::Mode, 0o600)));
    assert_eq!(args(1)[2], value(Value::Bits(Bits::Mode, 0)), "left out");
    assert_eq!(
        args(2),
        [Arg::Var(VarId(0)), value(Value::Bits(Bits::Open, 0))],
        "no word"
    );
    assert_eq!(
        args(3)[0],
        Arg::List(vec![
            Arg::List(vec![Arg::Var(VarId(0)), value(Value::Bits(Bits::Poll, 5))]),
            value(Value::List(vec![Value::Int(5), Value::Bits(Bits::Poll, 0)])),
        ])
    );
    assert_eq!(
        args(4)[1],
        value(Value::List(vec![
            Value::from("a"),
            bad(Fault::Unmapped, Data::repeat(0, 3), 10)
        ]))
    );
    assert_eq!(
        args(5)[1],
        value(Value::List(vec![
            Value::Int(1),
            bad(Fault::Outside, Data::empty(), 2)
        ]))
    );
    assert_eq!(args(6)[1], value(Value::Signal(Signal(0))));
    assert_eq!(
        args(7)[1],
        value(Value::List(vec![
            Value::Signal(Signal::SIGUSR1),
            Value::Signal(Signal(64))
        ]))
    );
}

#[test]
fn unasked_outcomes_show_bytes_and_numbers() {
    let p = one(r#"
test pipe/unasked
process p
  pipe() = [r, w]
  write(w, "x") = n
  read(r, 1) = a
always exited(p, 0)
"#);
    assert_eq!(p.outcome_columns(), ["n", "a", "ends", "failed"]);
}

#[test]
fn conditions_hold_as_the_book_says() {
    let p = one(r#"
test pipe/conditions
process p
  read(0, 9) = a
  write(1, "x") = n
  read(0, 9) = e
  read(0, 9) = gone
process q
  fcntl(0, F_GETFL) = flags
always a == n and e == n and gone == n and flags == n and handled(q) == []
"#);
    let handled = Handled::new(Signal::SIGUSR1, Value::ZERO, Value::ZERO);
    let outcome = Outcome {
        values: vec![
            Some(Value::from("hello")),
            Some(Value::Int(5)),
            Some(Value::Error(Errno::EAGAIN)),
            None,
            Some(Value::Bits(Bits::Open, 0o4001)),
        ],
        ends: vec![End::Blocked(3), End::Killed(Signal::SIGPIPE)],
        handled: vec![vec![handled.clone(), handled]],
        failed: [(TaskId(1), 1)].into(),
    };
    let head = r#"
test pipe/conditions
process p
  read(0, 9) = a
  write(1, "x") = n
  read(0, 9) = e
  read(0, 9) = gone
process q
  fcntl(0, F_GETFL) = flags
sometimes a == n or e == n or gone == n or flags == n or handled(q) == []
"#;
    for (text, expected) in [
        ("a == \"hello\"", true),
        ("a == 5", true),
        ("a == n", true),
        ("a != \"hellO\"", true),
        ("len(a) == n", true),
        ("n + 1 == 6", true),
        ("n*2 - 1 == 9", true),
        ("a + \"!\" == \"hello!\"", true),
        ("a < 6 and a >= 5", true),
        ("a in [\"\", \"hello\"]", true),
        ("a in []", false),
        ("e == -1 EAGAIN", true),
        ("e == -1 EINTR", false),
        ("e == -1", false),
        ("e < 0", true),
        ("len(e) == 0", false),
        ("gone == 5", false),
        ("gone != 5", false),
        ("not (gone == 5)", true),
        ("[a, gone] == [5, 5]", false),
        ("[a, n] == [\"hello\", 5]", true),
        ("gone in [5, -1 EAGAIN]", false),
        ("n + \"x\" == 5", false),
        ("n*9223372036854775807 == 5", false),
        ("flags == O_WRONLY|O_NONBLOCK", true),
        ("flags == 0o4001", true),
        ("flags == O_WRONLY", false),
        ("blocked(p) and not blocked(q)", true),
        ("killed(q, SIGPIPE)", true),
        ("killed(p, SIGPIPE)", false),
        ("exited(p, 0)", false),
        ("handled(q) == [SIGUSR1, SIGUSR1]", true),
        ("SIGUSR1 in handled(q)", true),
        ("SIGUSR2 in handled(q)", false),
        ("len(handled(q)) == 2", true),
        ("n == 4 implies n == 3", true),
        ("n == 5 implies n == 3", false),
        ("n == 5 or n == 4 and n == 3", true),
        ("(n == 5 or n == 4) and n == 3", false),
        ("not (n == 4)", true),
    ] {
        let q = one(&format!("{head}always {text}\n"));
        assert_eq!(q.observed, p.observed, "{text}");
        let condition = &q.conditions[1];
        assert_eq!(condition.holds(&q, &outcome), expected, "{text}");
        assert_eq!(condition.text, text);
    }
    let tight = one(&format!("{head}always not n == 4\n"));
    assert_eq!(tight.conditions[1].text, "not (n == 4)");
    assert_eq!(
        p.outcome_row(&outcome),
        [
            "\"hello\"",
            "5",
            "-1 EAGAIN",
            "-",
            "O_WRONLY|O_NONBLOCK",
            "[SIGUSR1, SIGUSR1]",
            "p blocked in read(0, 9), q killed by SIGPIPE",
            "p: write(1, \"x\")",
        ]
    );
}

#[test]
fn what_no_condition_sees_tells_no_outcomes_apart() {
    let program = |condition: &str| {
        one(&format!(
            "test signal/seen\nprocess p\nprocess q\nalways {condition}\n"
        ))
    };
    let event = |sender: u16| Event {
        task: TaskId(1),
        what: What::Handle(Handled::new(
            Signal::SIGUSR1,
            Value::Bits(Bits::SiCode, 0),
            Value::Task(TaskId(sender)),
        )),
    };
    let outcome = |p: &Program, sender| {
        let mut observer = Observer::new(p);
        observer.observe(p, &event(sender));
        observer.outcome(p)
    };
    let p = program("handled(p) == [SIGUSR1]");
    assert_eq!(outcome(&p, 1), outcome(&p, 2));
    let p = program("siginfo(p) == [[SIGUSR1, SI_USER, q]]");
    assert_ne!(outcome(&p, 1), outcome(&p, 2));
    assert!(p.conditions[0].holds(&p, &outcome(&p, 2)));
    assert!(!p.conditions[0].holds(&p, &outcome(&p, 1)));
    assert_eq!(p.outcome_row(&outcome(&p, 2))[0], "[[SIGUSR1, SI_USER, q]]");
    assert_eq!(
        p.show_event(&event(2)),
        "p: handles SIGUSR1 (SI_USER from q)"
    );
}

#[test]
fn events_are_shown_with_names() {
    let p = one(FAMILY);
    let show = |task, what| {
        p.show_event(&Event {
            task: TaskId(task),
            what,
        })
    };
    assert_eq!(show(1, What::Issue(2)), "parent: read(r, 8)");
    assert_eq!(show(1, What::Block(2)), "parent: read(r, 8) blocks");
    assert_eq!(
        show(1, What::Return(2, Value::from("x"))),
        "parent: read(r, 8) = \"x\""
    );
    assert_eq!(
        show(1, What::Return(1, Value::Task(TaskId(3)))),
        "parent: fork child = child"
    );
    assert_eq!(show(4, What::End(End::Exited(2))), "helper: exited 2");
    assert_eq!(
        show(2, What::End(End::Blocked(0))),
        "other: blocked in read(r, 1)"
    );
}

#[test]
fn a_variable_stands_for_names_as_well() {
    let all = many(
        r#"
test pipe/stands-for-names
with who in writer, reader
with errno in EAGAIN, EPIPE
with word in F_GETFL, F_GETFD
process writer
  write(1, "x") = -1 errno
  fcntl(1, word)
process reader
  kill(who, SIGUSR1)
order who
never blocked(who)
"#,
    );
    assert_eq!(all.len(), 8);
    let last = &all[7];
    assert_eq!(
        last.name,
        "pipe/stands-for-names[who=reader,errno=EPIPE,word=F_GETFD]"
    );
    assert_eq!(
        last.tasks[1].body[0].expect,
        Pattern::Value(Value::Error(Errno::EPIPE))
    );
    assert_eq!(last.tasks[1].body[1].sys, Sys::GetFd);
    assert_eq!(last.order, Some(vec![TaskId(2)]));
    assert_eq!(last.conditions[0].text, "blocked(reader)");
}

#[test]
fn lines_may_be_continued() {
    let p = one(r#"
test pipe/continued "Said on the line of the name."
clauses PIPE-001
        PIPE-002, PIPE-003
needs linux>=5.15,
      nocap CAP_SYS_RESOURCE
process p
  writev(1, [
    "a",   # one
    "b",
  "c"]) = n
sometimes n == 3
          or n == -1 EPIPE
"#);
    assert_eq!(p.description, "Said on the line of the name.");
    assert_eq!(p.clauses.len(), 3);
    assert_eq!(p.needs.len(), 2);
    assert_eq!(p.conditions[0].text, "n == 3 or n == -1 EPIPE");
}

#[test]
fn ends_of_lines_are_those_of_any_editor() {
    let unix = one(BOUNDARIES);
    let dos = one(&BOUNDARIES.replace('\n', "\r\n"));
    assert_eq!(dos.description, unix.description);
    assert_eq!(dos.tasks.len(), unix.tasks.len());
    let marked = one(&format!("\u{feff}{}", BOUNDARIES.trim_start()));
    assert_eq!(marked.name, unix.name);
}
