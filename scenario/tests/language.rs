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
with ends in pipe, pipe2
with flag in O_NONBLOCK
setup
  fcntl(0, F_GETFL)
process writer
  write(1, "a"*(n + 1)) = n + 1
  fcntl(1, F_SETFL, flag|O_APPEND) = 0
"#
        .replace("with ends in pipe, pipe2\n", "")
        .as_str(),
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
