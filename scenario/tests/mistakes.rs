//! What a scenario's author is told: one mistake a case, each with its report in `snapshots/`.

use miette::{GraphicalReportHandler, GraphicalTheme};
use scenario::load;

/// The report as a terminal shows it, without colour.
fn report(text: &str) -> String {
    let error = match load("test.ipc", text) {
        Err(error) => error,
        Ok(_) => return "no mistake found\n".into(),
    };
    let mut out = String::new();
    GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor())
        .with_width(100)
        .render_report(&mut out, &error)
        .expect("writing to a string succeeds");
    out
}

/// The cases of one area: a title, and the text. Lines without a `test` line of their own are put
/// below one.
fn gallery(cases: &[(&str, &str)]) -> String {
    let mut out = String::new();
    for (title, text) in cases {
        let text = match text.strip_prefix('!') {
            Some(whole) => whole.to_string(),
            None => format!("test pipe/case\n{text}"),
        };
        out.push_str(&format!("## {title}\n{}\n", report(&text)));
    }
    out
}

/// Holds a gallery against its snapshot, which is named for the test.
macro_rules! check {
    ($gallery:expr) => {
        insta::with_settings!({ omit_expression => true }, {
            insta::assert_snapshot!(gallery($gallery));
        })
    };
}

#[test]
fn of_letters() {
    check!(&[
        ("a tab", "process p\n\tread(0, 1)\n"),
        ("a tab within a line", "process p\n  read(0,\t1)\n"),
        (
            "an open string",
            "process p\n  write(1, \"hello)\n  write(1, \"x\")\n"
        ),
        (
            "an open description",
            "\"A pipe keeps\nthe order.\n\nprocess p\n  pipe() = [r, w]\n"
        ),
        ("an unknown escape", "process p\n  write(1, \"\\q\")\n"),
        ("half a byte", "process p\n  write(1, \"\\x4\")\n"),
        ("C's octal", "process p\n  mkfifo(\"f\", 0644)\n"),
        (
            "a number too large",
            "process p\n  read(0, 99999999999999999999)\n"
        ),
        ("no number", "process p\n  read(0, 4k)\n"),
        ("single quotes", "process p\n  write(1, 'x')\n"),
        (
            "C's and",
            "process p\n  read(0, 1) = a\nalways a == 1 && a == 2\n"
        ),
        ("a colon", "process p:\n  read(0, 1)\n"),
    ]);
}

#[test]
fn of_lines_and_sections() {
    check!(&[
        ("nothing", "!"),
        ("no test line", "!process p\n  read(0, 1)\n"),
        ("no name", "!test\nprocess p\n"),
        ("half a name", "!test pipe\nprocess p\n"),
        ("no process", "setup\n  pipe() = [r, w]\n"),
        ("a section misspelt", "proces p\n  read(0, 1)\n"),
        ("a call outside", "process p\nread(0, 1)\n"),
        (
            "sections out of order",
            "process p\n  read(0, 1)\nsetup\n  pipe() = [r, w]\n"
        ),
        (
            "two setups",
            "setup\n  pipe() = [r, w]\nsetup\n  pipe() = [a, b]\nprocess p\n"
        ),
        (
            "indented too far",
            "process p\n  read(0, 1)\n    read(0, 2)\n"
        ),
        (
            "indented too little",
            "process p\n    read(0, 1)\n  read(0, 2)\n"
        ),
        (
            "an open bracket",
            "process p\n  read(0, 1\n  write(1, \"x\")\nprocess q\n  close(0)\n"
        ),
        ("half a call", "process p\n  read\n"),
        ("a word after a call", "process p\n  read(0, 1) block\n"),
        ("no expectation", "process p\n  read(0, 1) =\n"),
        ("a need", "needs linux 6.18\nprocess p\n"),
        ("a capability", "needs cap SYS_ADMIN\nprocess p\n"),
        ("a clause", "clauses PIPE-1 pipe-002\nprocess p\n"),
        (
            "several mistakes",
            "process p\n  raed(0, 1)\n  write(1 \"x\")\n  close(x)\nalways (a == \n"
        ),
        (
            "several mistakes of meaning",
            "process p\n  raed(0, 1)\n  write(1, 2)\n  close(x)\n"
        ),
    ]);
}

#[test]
fn of_calls() {
    check!(&[
        ("an unknown call", "process p\n  raed(0, 1)\n"),
        ("too few arguments", "process p\n  read(0)\n"),
        (
            "too many arguments",
            "process p\n  open(\"f\", O_RDONLY, 0o600, 1)\n"
        ),
        ("an unknown command", "process p\n  fcntl(0, F_GETFLAGS)\n"),
        ("no command", "process p\n  fcntl(0)\n"),
        ("a string for a count", "process p\n  read(0, \"x\")\n"),
        ("a number for bytes", "process p\n  write(1, 5)\n"),
        ("a wrong family", "process p\n  open(\"f\", POLLIN)\n"),
        ("two families", "process p\n  open(\"f\", O_RDWR|POLLIN)\n"),
        ("an unknown flag", "process p\n  pipe2(O_NONBLOK)\n"),
        (
            "bytes for a descriptor",
            "process p\n  read(0, 1) = a\n  read(a, 1)\n"
        ),
        ("no list", "process p\n  writev(1, \"x\")\n"),
        ("half a pair", "process p\n  poll([[0]], 0)\n"),
        ("no signal", "process p\n  kill(p, SIGUSR3)\n"),
        (
            "somebody's number",
            "process p\n  getpriority(PRIO_PGRP, 1)\n  setpriority(PRIO_PROCESS, 4294967297, 1)\n"
        ),
        (
            "a number that has a name",
            "process p\n  setpriority_n(2, 0, 1)\n"
        ),
        ("no task", "process reader\n  kill(raeder, SIGUSR1)\n"),
        ("a path with a zero", "process p\n  unlink(\"a\\0b\")\n"),
        ("a huge string", "process p\n  write(1, \"ab\"*100000000)\n"),
        (
            "an overflow",
            "process p\n  read(0, 9223372036854775807 + 1)\n"
        ),
        (
            "arithmetic on a result",
            "process p\n  fcntl(0, F_GETPIPE_SZ) = n\n  read(0, n - 1)\n"
        ),
        ("a comparison", "process p\n  read(0, (1 == 2))\n"),
        ("after exit", "process p\n  exit(1)\n  read(0, 1)\n"),
        ("exit in setup", "setup\n  exit(0)\nprocess p\n"),
        ("a status", "process p\n  exit(4294967296)\n"),
        ("fork as a call", "process p\n  fork(child)\n"),
        (
            "fork in setup",
            "setup\n  fork child\n    close(0)\nprocess p\n"
        ),
        (
            "blocking in setup",
            "setup\n  read(0, 1) blocks\nprocess p\n"
        ),
    ]);
}

#[test]
fn of_expectations_and_names() {
    check!(&[
        ("one name for two", "process p\n  pipe() = r\n"),
        ("three names for two", "process p\n  pipe() = [a, b, c]\n"),
        ("twice the same", "process p\n  pipe() = [r, r]\n"),
        ("not 0", "process p\n  close(0) = 1\n"),
        (
            "bytes for a number",
            "process p\n  write(1, \"x\") = \"x\"\n"
        ),
        ("a bare errno", "process p\n  read(0, 1) = EAGAIN\n"),
        ("an unknown errno", "process p\n  read(0, 1) = -1 EAGIAN\n"),
        ("-2", "process p\n  read(0, 1) = -2 EAGAIN\n"),
        (
            "a constant misspelt",
            "process p\n  fcntl(0, F_GETFL) = O_RDNLY\n"
        ),
        (
            "not bound",
            "process p\n  pipe() = [reader, writer]\n  read(raeder, 1)\n"
        ),
        (
            "bound by another",
            "process p\n  pipe() = [r, w]\nprocess q\n  read(r, 1)\n"
        ),
        (
            "bound after the fork",
            "process p\n  fork c\n    read(r, 1)\n  pipe() = [r, w]\n"
        ),
        (
            "two tasks of one name",
            "process p\nprocess q\n  fork p\n    close(0)\n"
        ),
        ("a task called setup", "process setup\n"),
        ("a task called as a constant", "process SIGUSR1\n"),
        ("a task for a name", "process p\n  dup(0) = p\n"),
        ("exit gives nothing", "process p\n  exit(0) = 0\n"),
    ]);
}

#[test]
fn of_conditions() {
    let with = |condition: &str| {
        format!(
            "process p\n  read(0, 1) = a\nprocess q\n  read(0, 1) = a\n  read(0, 1) = b\n{condition}\n"
        )
    };
    let cases = [
        ("ambiguous", with("always a == 1")),
        ("unbound", with("always c == 1")),
        ("no such result of a task", with("always p.b == 1")),
        ("a value", with("always b")),
        ("a truth as a value", with("always (b == 1) == 1")),
        ("a chain", with("always 1 < b < 3")),
        ("a single equals sign", with("always b = 1")),
        ("in without a list", with("always b in 5")),
        ("an unknown function", with("always length(b) == 5")),
        ("too few arguments", with("always exited(p)")),
        ("no task", with("always blocked(b)")),
        ("an unknown model", with("always under liunx b == 1")),
        ("a bare errno", with("never b == EAGAIN")),
        ("the end", with("never b ==")),
        ("order: no task", with("order p x")),
        ("order: too often", with("order p q*4 p")),
        ("order: the setup process", with("order setup")),
    ];
    let cases: Vec<(&str, &str)> = cases.iter().map(|(t, s)| (*t, s.as_str())).collect();
    check!(&cases);
}

#[test]
fn of_variants() {
    check!(&[
        (
            "wrong in one variant",
            "with n in 5, \"x\"\nprocess p\n  read(0, n)\n"
        ),
        ("a name is wanted", "with call in 5\nprocess p\n  call(0)\n"),
        ("never used", "with n in 1, 2\nprocess p\n"),
        (
            "twice the same",
            "with n in 1, 1\nprocess p\n  read(0, n)\n"
        ),
        (
            "two of one name",
            "with n in 1\nwith n in 2\nprocess p\n  read(0, n)\n"
        ),
        (
            "one rests on another",
            "with n in 1\nwith m in n + 1\nprocess p\n  read(n, m)\n"
        ),
        ("a call's name", "with read in 1\nprocess p\n"),
        (
            "too many",
            "with a in 1, 2, 3, 4, 5, 6, 7, 8\nwith b in 1, 2, 3, 4, 5, 6, 7, 8\n\
             with c in 1, 2, 3, 4, 5, 6, 7, 8\nprocess p\n  lseek(a, b, c)\n",
        ),
    ]);
}

#[test]
fn of_limits() {
    check!(&[
        (
            "a limit of the machine",
            "process p\n  sysctl(\"kernel.pid_max\")\n"
        ),
        (
            "nearly",
            "process p\n  sysctl_write(\"kernel.msg_max\", 1)\n"
        ),
        (
            "in one variant",
            "with name in \"kernel.msgmax\", \"fs.file-max\"\nprocess p\n  sysctl(name)\n"
        ),
        ("no string", "process p\n  sysctl(7)\n"),
        (
            "a value that is none",
            "process p\n  sysctl_write(\"kernel.msgmax\", \"100\")\n"
        ),
        ("no value", "process p\n  sysctl_write(\"kernel.msgmax\")\n"),
    ]);
}
