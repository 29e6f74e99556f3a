//! Properties of the language: what is printed is read back as it was, and no text whatever makes
//! the reader panic.

use proptest::prelude::*;
use scenario::ast::{
    CallLine, Condition, Expr, ExprKind, Line, Name, Need, Op, Process, Quantifier, Scenario, Span,
    With,
};
use scenario::{Data, Diagnostic, load, parse};

/// Words that the grammar reserves.
const RESERVED: &[&str] = &["and", "or", "not", "implies", "in", "blocks"];

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z_][a-zA-Z0-9_]{0,6}",
        prop::sample::select(vec![
            "under", "setup", "order", "test", "fork", "thread", "linux", "root", "cap", "a", "r",
            "SIGRTMIN", "O_RDWR", "EAGAIN", "always", "_",
        ])
        .prop_map(String::from),
    ]
    .prop_filter("an operator", |w| !RESERVED.contains(&w.as_str()))
}

fn name() -> impl Strategy<Value = Name> {
    word().prop_map(Name::new)
}

fn op() -> impl Strategy<Value = Op> {
    use Op::*;
    prop::sample::select(vec![
        Or, And, Implies, Eq, Ne, Lt, Le, Gt, Ge, In, BitOr, Add, Sub, Mul,
    ])
}

fn made(kind: ExprKind) -> Expr {
    Expr {
        kind,
        span: Span::default(),
    }
}

fn expr() -> impl Strategy<Value = Expr> {
    let number = prop_oneof![any::<i64>(), -3..70i64, Just(i64::MIN), Just(i64::MAX)];
    let leaf = prop_oneof![
        number.clone().prop_map(ExprKind::Int),
        number.clone().prop_map(ExprKind::Octal),
        number.prop_map(ExprKind::Hex),
        prop::collection::vec(any::<u8>(), 0..12)
            .prop_map(|bytes| ExprKind::Data(Data::from_bytes(&bytes))),
        (any::<u8>(), 0..40usize).prop_map(|(b, n)| ExprKind::Data(Data::repeat(b, n))),
        word().prop_map(ExprKind::Name),
        (word(), word()).prop_map(|(a, b)| ExprKind::Qualified(a, b)),
        word().prop_map(ExprKind::Error),
    ]
    .prop_map(made);
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(ExprKind::List),
            (word(), prop::collection::vec(inner.clone(), 0..4))
                .prop_map(|(f, args)| ExprKind::Apply(f, args)),
            (op(), inner.clone(), inner.clone()).prop_map(|(op, a, b)| ExprKind::Binary(
                op,
                Box::new(a),
                Box::new(b)
            )),
            inner.prop_map(|a| ExprKind::Not(Box::new(a))),
        ]
        .prop_map(made)
    })
}

fn call() -> impl Strategy<Value = Line> {
    let args = prop::collection::vec(expr(), 0..4);
    (name(), args, any::<bool>(), prop::option::of(expr())).prop_map(
        |(name, args, blocks, expect)| {
            Line::Call(CallLine {
                name,
                args,
                blocks,
                expect,
                span: Span::default(),
            })
        },
    )
}

fn body() -> impl Strategy<Value = Vec<Line>> {
    let lines = prop::collection::vec(call(), 0..4);
    lines.prop_recursive(3, 12, 3, |inner| {
        let task = (name(), inner, any::<bool>()).prop_map(|(name, body, fork)| {
            let task = Process { name, body };
            if fork {
                Line::Fork(task)
            } else {
                Line::Thread(task)
            }
        });
        let line = prop_oneof![3 => call(), 2 => task];
        prop::collection::vec(line, 0..4)
    })
}

fn need() -> impl Strategy<Value = Need> {
    let facility = word().prop_filter("a need of its own", |w| {
        !["root", "linux", "cap", "nocap"].contains(&w.as_str())
    });
    prop_oneof![
        Just(Need::Root(Span::default())),
        (0..9u32, 0..99u32).prop_map(|(a, b)| Need::Linux(a, b, Span::default())),
        (name(), any::<bool>()).prop_map(|(name, held)| Need::Capability { name, held }),
        facility.prop_map(|w| Need::Facility(Name::new(w))),
    ]
}

fn condition() -> impl Strategy<Value = Condition> {
    use Quantifier::*;
    let under = prop_oneof![word(), Just("x86-tso".to_string())].prop_map(Name::new);
    (
        prop::sample::select(vec![Always, Never, Sometimes]),
        prop::option::of(under),
        expr(),
    )
        .prop_map(|(quantifier, under, expr)| Condition {
            quantifier,
            under,
            expr,
            span: Span::default(),
        })
}

fn scenario() -> impl Strategy<Value = Scenario> {
    let description = prop_oneof![
        Just(String::new()),
        any::<String>(),
        "([a-z]{1,12}[ ,.]{1,3}){0,60}",
        "[ a]{0,300}"
    ];
    let clause = "[A-Z]{2,6}-[0-9]{3}".prop_map(Name::new);
    let process = (name(), body()).prop_map(|(name, body)| Process { name, body });
    let with = (name(), prop::collection::vec(expr(), 1..4))
        .prop_map(|(name, values)| With { name, values });
    (
        "[a-z]{1,5}/[a-z0-9-]{1,9}".prop_map(Name::new),
        description,
        prop::collection::vec(clause, 0..20),
        prop::collection::vec(need(), 0..3),
        prop::collection::vec(with, 0..3),
        body(),
        prop::collection::vec(process, 0..3),
        prop::option::of(prop::collection::vec(name(), 1..6)),
        prop::collection::vec(condition(), 0..3),
    )
        .prop_map(
            |(name, description, clauses, needs, with, setup, processes, order, conditions)| {
                Scenario {
                    name,
                    description,
                    clauses,
                    needs,
                    with,
                    setup,
                    processes,
                    order,
                    conditions,
                }
            },
        )
}

/// A scenario that uses most of the language.
const WHOLE: &str = r#"test pipe/whole
"All of it,
 in one."
clauses PIPE-001 PIPE-002
needs root, linux>=6.18, nocap CAP_SYS_RESOURCE
with n in 1, 4096
with flag in O_NONBLOCK, 0

setup
  pipe2(flag|O_CLOEXEC) = [r, w]
  sigaction(SIGRTMIN+1, record, SA_RESTART) = 0

process writer
  write(w, "ab\x00"*(n + 1) + "é") = size   # all at once
  writev(w, ["a", fault("b", 10)]) = -1 EFAULT
  fork child
    read(r, n) blocks = "x"
    thread helper
      poll([[r, POLLIN|POLLHUP], [w, POLLOUT]], -1) = [_, POLLOUT]
    exit(3)
  mkfifo("f", 0o644) = 0

process reader
  read(r, 0x10) = a
  kill(writer, SIGUSR1)

order writer*2 reader child*1
always under linux  not (len(a) == 5 and a != "x") or handled(reader) == [SIGUSR1]
sometimes reader.a in ["", "x"*3, -1 EAGAIN] implies exited(child, 3)
never killed(writer, SIGPIPE) and blocked(helper) or size + 1 < 2
"#;

/// Reading must end in a result; a mistake must have a place in the text.
fn read_whatever(text: &str) -> Result<(), TestCaseError> {
    if let Err(error) = load("t", text) {
        let mut all: Vec<&Diagnostic> = vec![&error];
        all.extend(error.others());
        for one in all {
            let (_, line, column) = one.place();
            let there = text.split('\n').nth(line - 1);
            prop_assert!(there.is_some(), "{one}: no such line");
            prop_assert!(column <= there.unwrap_or("").chars().count() + 1, "{one}");
        }
        let mut out = String::new();
        let shown = miette::GraphicalReportHandler::new().render_report(&mut out, &error);
        prop_assert!(shown.is_ok());
    }
    Ok(())
}

#[test]
fn the_whole_language_is_read() {
    let programs = load("t", WHOLE).unwrap_or_else(|e| panic!("{e:?}"));
    assert_eq!(programs.len(), 4);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn what_is_printed_is_read_back(scenario in scenario()) {
        let printed = scenario.to_string();
        match parse("t", &printed) {
            Ok(read) => prop_assert_eq!(read, scenario, "{}", printed),
            Err(e) => prop_assert!(false, "{:?}\n{}", e, printed),
        }
    }

    #[test]
    fn printed_scenarios_are_lowered_or_refused(scenario in scenario()) {
        read_whatever(&scenario.to_string())?;
    }

    #[test]
    fn no_text_panics(text in any::<String>()) {
        read_whatever(&text)?;
    }

    #[test]
    fn no_soup_of_tokens_panics(words in prop::collection::vec(prop::sample::select(vec![
        "test", "a/b", "setup", "process", "p", "fork", "thread", "with", "n", "in", "order",
        "always", "never", "under", "posix", "needs", "clauses", "PIPE-001", "\n", "\n  ",
        "\n    ", "(", ")", "[", "]", ",", "=", "==", "-", "*", "+", "|", ".", "1", "0o7", "\"x\"",
        "\"", "EAGAIN", "read", "write", "pipe", "blocks", "not", "and", "#", "\t", "\r\n", "_",
        "fault", "len", "SIGRTMIN", "9223372036854775808", "é",
    ]), 0..60)) {
        read_whatever(&words.join(" "))?;
        read_whatever(&format!("test a/b\n{}", words.join(" ")))?;
    }

    #[test]
    fn no_mutation_of_a_valid_text_panics(
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0..12usize, any::<prop::sample::Index>(), 0..3u8, any::<char>()), 1..5),
    ) {
        let mut chars: Vec<char> = WHOLE.chars().collect();
        for (at, len, to, how, c) in cuts {
            let from = at.index(chars.len());
            let end = (from + len).min(chars.len());
            match how {
                0 => { chars.drain(from..end); }
                1 => {
                    let piece: Vec<char> = chars[from..end].to_vec();
                    let to = to.index(chars.len());
                    chars.splice(to..to, piece);
                }
                _ => chars.insert(from, c),
            }
        }
        read_whatever(&chars.iter().collect::<String>())?;
    }
}

#[test]
fn deep_nesting_is_refused() {
    let n = 100_000;
    for text in [
        format!("always {}1{}", "(".repeat(n), ")".repeat(n)),
        format!("always {}1", "not ".repeat(n)),
        format!("always {}1{} == 1", "[".repeat(n), "]".repeat(n)),
        format!("always 1{} == 1", " + 1".repeat(n)),
        format!("always 1 {}", "implies 1 ".repeat(n)),
        format!("always 1 == {}1", "len(".repeat(n)),
    ] {
        let error = load("t", &format!("test a/b\nprocess p\n{text}")).expect_err("too deep");
        assert!(error.message().contains("nested"), "{error}");
    }
    let mut forks = String::from("test a/b\nprocess p\n");
    for depth in 1..1000 {
        forks.push_str(&format!("{}fork t{depth}\n", " ".repeat(depth)));
    }
    let error = load("t", &forks).expect_err("too deep");
    assert!(error.message().contains("nested"), "{error}");
}

#[test]
fn sizes_are_bounded() {
    let refuse = |text: String, word: &str| {
        let error = load("t", &text).expect_err("too large");
        assert!(error.message().contains(word), "{error}");
    };
    let process = "test a/b\nprocess p\n";
    refuse(" ".repeat(2 << 20), "too long");
    refuse(
        format!("{process}{}", "  close(0)\n".repeat(10_001)),
        "calls",
    );
    let tasks: String = (0..70).map(|n| format!("process p{n}\n")).collect();
    refuse(format!("test a/b\n{tasks}"), "tasks");
    refuse(format!("{process}  write(1, \"x\"*16777217)\n"), "16 MiB");
    refuse(
        format!("{process}{}", "  write(1, \"ab\"*8000000)\n".repeat(10)),
        "sum",
    );
    refuse(format!("{process}  write(1, \"\"*-1)\n"), "repeated");
    refuse(
        format!("{process}  close(0)\norder p*99999999999\n"),
        "order",
    );
    assert!(
        load(
            "t",
            &format!("{process}  write(1, \"\"*9223372036854775807)\n")
        )
        .is_ok()
    );
}
