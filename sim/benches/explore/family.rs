//! The scenarios that are timed: families whose size grows by numbers.

use scenario::{Program, load};
use std::fmt::Write as _;

/// So many writers of so many bytes and readers of so many reads on one pipe.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Writers.
    pub writers: usize,
    /// Writes of each, a byte each.
    pub writes: usize,
    /// Readers.
    pub readers: usize,
    /// Reads of each, a byte each.
    pub reads: usize,
    /// Each process first closes the end that it does not use, so that there is an end of file, and
    /// SIGPIPE.
    pub closes: bool,
    /// What the reads give is part of the outcome; else only how the processes end is.
    pub observed: bool,
}

/// A scenario to time.
pub struct Case {
    /// What it is called in the table.
    pub name: String,
    /// The scenario.
    pub program: Program,
    /// For one pipe: its shape, for the same model in Promela.
    pub shape: Option<Shape>,
    /// Whether it is small enough for engines that do not reduce.
    pub peers: bool,
}

/// All that are timed.
pub fn cases() -> Vec<Case> {
    let shape = |writers, writes, readers, reads, closes, observed| Shape {
        writers,
        writes,
        readers,
        reads,
        closes,
        observed,
    };
    let mut cases = vec![
        one_pipe(shape(2, 2, 2, 2, false, true)),
        one_pipe(shape(3, 2, 2, 3, false, true)),
        one_pipe(shape(3, 3, 2, 4, false, true)),
        one_pipe(shape(2, 2, 2, 2, true, true)),
        one_pipe(shape(2, 3, 2, 3, true, true)),
        one_pipe(shape(3, 2, 2, 3, true, true)),
        one_pipe(shape(3, 2, 2, 3, false, false)),
        one_pipe(shape(3, 3, 2, 4, false, false)),
        one_pipe(shape(3, 2, 2, 3, true, false)),
    ];
    cases.push(disjoint(2, true));
    cases.push(disjoint(3, false));
    cases.push(rendezvous(2, 1));
    cases.push(rendezvous(2, 2));
    cases.push(signals(3));
    cases.push(messages(2, 2));
    cases
}

fn program(text: &str) -> Program {
    let programs = load("bench.ipc", text);
    programs
        .unwrap_or_else(|e| panic!("{e:?}\n{text}"))
        .remove(0)
}

/// A byte that tells a write apart.
fn letter(writer: usize, write: usize, writes: usize) -> char {
    (b'a' + (writer * writes + write) as u8) as char
}

fn one_pipe(shape: Shape) -> Case {
    let mut text = String::from("test bench/one-pipe\nsetup\n  pipe() = [r, w]\n");
    for p in 0..shape.writers {
        writeln!(text, "process writer{p}").expect("a string grows");
        if shape.closes {
            text.push_str("  close(r)\n");
        }
        for n in 0..shape.writes {
            let byte = letter(p, n, shape.writes);
            writeln!(text, "  write(w, \"{byte}\")").expect("a string grows");
        }
    }
    for p in 0..shape.readers {
        writeln!(text, "process reader{p}").expect("a string grows");
        if shape.closes {
            text.push_str("  close(w)\n");
        }
        for n in 0..shape.reads {
            let name = if shape.observed {
                format!(" = x{p}{n}")
            } else {
                String::new()
            };
            writeln!(text, "  read(r, 1){name}").expect("a string grows");
        }
    }
    Case {
        name: format!(
            "{}w × {} {}r × {}{}{}",
            shape.writers,
            shape.writes,
            shape.readers,
            shape.reads,
            if shape.closes { ", closes" } else { "" },
            if shape.observed { "" } else { ", ends only" },
        ),
        program: program(&text),
        shape: Some(shape),
        // A few million states.
        peers: shape.writers * shape.writes < 9,
    }
}

/// Pairs of a writer and a reader, each on a pipe of its own that it makes itself.
fn disjoint(pipes: usize, peers: bool) -> Case {
    let mut text = String::from("test bench/disjoint\n");
    for p in 0..pipes {
        writeln!(
            text,
            "process parent{p}\n  pipe() = [r, w]\n  fork child{p}\n    close(r)\n    write(w, \"a\")\n    write(w, \"b\")\n    write(w, \"c\")\n  close(w)\n  read(r, 1) = x{p}\n  read(r, 2) = y{p}\n  read(r, 2) = z{p}"
        )
        .expect("a string grows");
    }
    Case {
        name: format!("{pipes} disjoint pipes"),
        program: program(&text),
        shape: None,
        peers,
    }
}

/// Senders of signals to one that waits for each with `sigsuspend`.
fn signals(senders: usize) -> Case {
    let mut text = String::from(
        "test bench/signals\nsetup\n  sigaction(SIGUSR1, record)\n  sigprocmask(SIG_BLOCK, [SIGUSR1])\n",
    );
    text.push_str("process waiter\n");
    text.push_str(&"  sigsuspend([])\n".repeat(senders));
    for p in 0..senders {
        writeln!(text, "process sender{p}\n  kill(waiter, SIGUSR1)").expect("a string grows");
    }
    Case {
        name: format!("signals from {senders}"),
        program: program(&text),
        shape: None,
        peers: true,
    }
}

/// Senders and receivers at a POSIX message queue that holds one message.
fn messages(senders: usize, receivers: usize) -> Case {
    let mut text = String::from(
        "test bench/messages\nsetup\n  mq_open_attr(\"/q\", O_CREAT|O_RDWR, 0o600, 1, 8) = q\n",
    );
    for p in 0..senders {
        writeln!(
            text,
            "process sender{p}\n  mq_send(q, \"a{p}\", 1)\n  mq_send(q, \"b{p}\", {p})"
        )
        .expect("a string grows");
    }
    for p in 0..receivers {
        writeln!(
            text,
            "process receiver{p}\n  mq_receive(q, 8) = x{p}\n  mq_receive(q, 8) = y{p}"
        )
        .expect("a string grows");
    }
    Case {
        name: format!("queue {senders}s {receivers}r"),
        program: program(&text),
        shape: None,
        peers: true,
    }
}

/// Writers and readers that meet at a FIFO, and talk.
fn rendezvous(writers: usize, readers: usize) -> Case {
    let mut text = String::from("test bench/rendezvous\nsetup\n  mkfifo(\"f\", 0o600)\n");
    for p in 0..writers {
        writeln!(
            text,
            "process writer{p}\n  open(\"f\", O_WRONLY) = w\n  write(w, \"{}\") = n{p}",
            letter(p, 0, 1)
        )
        .expect("a string grows");
    }
    for p in 0..readers {
        writeln!(
            text,
            "process reader{p}\n  open(\"f\", O_RDONLY) = r\n  read(r, 2) = x{p}\n  read(r, 2) = y{p}"
        )
        .expect("a string grows");
    }
    Case {
        name: format!("FIFO {writers}w {readers}r"),
        program: program(&text),
        shape: None,
        peers: true,
    }
}
