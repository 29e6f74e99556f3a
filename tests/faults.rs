//! Deliberate faults in the model: each is caught by the scenarios.
//!
//! A fault is a change of the source. The test copies the project, makes the change, builds the
//! command and runs the scenarios about that mechanism, without a race, and demands a difference. That
//! takes minutes, so it runs only when asked:
//!
//! ```text
//! cargo test --release --test faults -- --ignored
//! ```

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The scenarios that are about what a file says.
fn scenarios(file: &str) -> &'static str {
    let mechanism = file.trim_start_matches("sim/src/");
    match mechanism.split(['/', '.']).next() {
        Some("pipe") => "pipe/",
        Some("fd") => "fd/",
        Some("fifo") => "fifo/",
        Some("signal") => "signal/",
        Some("process") => "process/",
        Some("epoll" | "poll" | "select") => "ready/",
        Some("eventfd") => "eventfd/",
        Some("terminal") => "terminal/",
        Some("posix_mq") => "posix_mq/",
        Some("sysv_msg") => "sysv_msg/",
        _ => panic!("which scenarios are about {file}?"),
    }
}

/// A fault: what it is, where, and the change.
struct Fault {
    name: &'static str,
    file: &'static str,
    from: &'static str,
    to: &'static str,
}

const FAULTS: &[Fault] = &[
    Fault {
        name: "a ring takes one slot too many",
        file: "sim/src/pipe/ring.rs",
        from: "self.slots.len() >= self.limit",
        to: "self.slots.len() > self.limit",
    },
    Fault {
        name: "a merge may fill one byte more than a page",
        file: "sim/src/pipe/ring.rs",
        from: "newest.offset as usize + newest.data.len() + odd > PAGE",
        to: "newest.offset as usize + newest.data.len() + odd > PAGE + 1",
    },
    Fault {
        name: "end of file comes before the buffer is drained",
        file: "sim/src/pipe/io.rs",
        from: "let result = if !taken.data.is_empty() {",
        to: "let result = if writers == 0 {\n            Ok(scenario::Data::empty())\n        } else if !taken.data.is_empty() {",
    },
    Fault {
        name: "a read that makes room wakes no writer",
        file: "sim/src/pipe/io.rs",
        from: "if taken.made_room {",
        to: "if false && taken.made_room {",
    },
    Fault {
        name: "a reader that leaves data behind wakes no other",
        file: "sim/src/pipe/io.rs",
        from: "if self.slept && left {",
        to: "if false && self.slept && left {",
    },
    Fault {
        name: "a full pipe gives another errno",
        file: "sim/src/pipe/io.rs",
        from: "self.end(k, Err(Errno::EAGAIN), cx)",
        to: "self.end(k, Err(Errno::ENOSPC), cx)",
    },
    Fault {
        name: "packets do not end a read",
        file: "sim/src/pipe/ring.rs",
        from: "if slot.packet {\n                // A read ends",
        to: "if false && slot.packet {\n                // A read ends",
    },
    Fault {
        name: "the last close wakes nobody",
        file: "sim/src/pipe/mod.rs",
        from: "            k.wake_all(pipe, Side::Readers, cx);\n",
        to: "",
    },
    Fault {
        name: "dup2 keeps close-on-exec apart, but forgets to close its target",
        file: "sim/src/fd.rs",
        from: "k.drop_descriptor(old.file, cx);",
        to: "let _ = old;",
    },
    Fault {
        name: "a writer without readers may open a FIFO without waiting",
        file: "sim/src/fifo/open.rs",
        from: "named && access == O_WRONLY && nonblocking && p.readers == 0",
        to: "false && named && access == O_WRONLY && nonblocking && p.readers == 0",
    },
    Fault {
        name: "an opener does not notice a partner that came and went",
        file: "sim/src/fifo/open.rs",
        from: "if now == self.seen {",
        to: "if now == self.seen || (self.reader && p.writers == 0) {",
    },
    Fault {
        name: "SA_RESTART is not looked at",
        file: "sim/src/signal/deliver.rs",
        from: "let restarts = flags & SA_RESTART != 0;",
        to: "let restarts = flags & SA_RESTART == 0;",
    },
    Fault {
        name: "pause and sigsuspend start over after a handler",
        file: "sim/src/signal/deliver.rs",
        from: "                Sys::Pause => SIG_083,\n                _ => SIG_084,\n            });\n            return true;",
        to: "                Sys::Pause => SIG_083,\n                _ => SIG_084,\n            });\n            return false;",
    },
    Fault {
        name: "the mask before sigsuspend does not come back",
        file: "sim/src/signal/deliver.rs",
        from: "let before = before.unwrap_or(mask);",
        to: "let before = mask;",
    },
    Fault {
        name: "real-time signals come last sent first",
        file: "sim/src/signal/deliver.rs",
        from: "(!fault(h.signal), h.signal, *at)",
        to: "(!fault(h.signal), h.signal, usize::MAX - *at)",
    },
    Fault {
        name: "standard signals queue",
        file: "sim/src/signal/send.rs",
        from: "if signal.0 < QUEUES_FROM && list.iter().any(|h| h.signal == signal) {",
        to: "if false && signal.0 < QUEUES_FROM && list.iter().any(|h| h.signal == signal) {",
    },
    Fault {
        name: "handlers run in the order in which signals are taken",
        file: "sim/src/signal/deliver.rs",
        from: "self.task_mut(task).frames.pop()",
        to: "{\n                let frames = &mut self.task_mut(task).frames;\n                (!frames.is_empty()).then(|| frames.remove(0))\n            }",
    },
    Fault {
        name: "SIGCONT leaves stop signals pending",
        file: "sim/src/signal/send.rs",
        from: "self.forget(leader, |s| Usual::of(s) == Usual::Stop);",
        to: "self.forget(leader, |s| s == Signal::SIGSTOP);",
    },
    Fault {
        name: "ignoring a signal keeps what waits",
        file: "sim/src/signal/calls.rs",
        from: "k.forget(leader, |s| s == signal);",
        to: "k.forget(leader, |_| false);",
    },
    Fault {
        name: "sa_mask is not blocked",
        file: "sim/src/signal/deliver.rs",
        from: "SigSet(mask.0 | disposition.mask.0)",
        to: "SigSet(mask.0)",
    },
    Fault {
        name: "SA_RESETHAND resets nothing",
        file: "sim/src/signal/deliver.rs",
        from: "handler: SIG_DFL,\n                ..disposition",
        to: "handler: disposition.handler,\n                ..disposition",
    },
    Fault {
        name: "an interrupted sigtimedwait starts over",
        file: "sim/src/signal/wait.rs",
        from: "None => Progress::Restart(Restart::Never),",
        to: "None => Progress::Restart(Restart::NoHandler),",
    },
    Fault {
        name: "a wait leaves the zombie",
        file: "sim/src/process/wait.rs",
        from: "        if !keeps {\n            match",
        to: "        if keeps {\n            match",
    },
    Fault {
        name: "a one-shot entry goes on",
        file: "sim/src/epoll.rs",
        from: "entry.events &= HOW;",
        to: "entry.events &= u64::MAX;",
    },
    Fault {
        name: "a level is told once",
        file: "sim/src/epoll.rs",
        from: "                again.push(key);",
        to: "                let _: &mut Vec<Key> = &mut again;",
    },
    Fault {
        name: "a semaphore gives all",
        file: "sim/src/eventfd.rs",
        from: "if counter.semaphore { 1 } else { counter.count }",
        to: "if false && counter.semaphore { 1 } else { counter.count }",
    },
    Fault {
        name: "TOSTOP stops nobody",
        file: "sim/src/terminal/io.rs",
        from: "if !t.is_set(TOSTOP) {",
        to: "if true || !t.is_set(TOSTOP) {",
    },
    Fault {
        name: "priorities are upside down",
        file: "sim/src/posix_mq/queue.rs",
        from: "partition_point(|m| m.priority >= message.priority)",
        to: "partition_point(|m| m.priority <= message.priority)",
    },
    Fault {
        name: "the newest of a priority comes first",
        file: "sim/src/posix_mq/queue.rs",
        from: "partition_point(|m| m.priority >= message.priority)",
        to: "partition_point(|m| m.priority > message.priority)",
    },
    Fault {
        name: "a hand-off skips the longest waiter",
        file: "sim/src/posix_mq/io.rs",
        from: "            _ => 0,\n        };\n        Some(waiting.remove(at))",
        to: "            n => n - 1,\n        };\n        Some(waiting.remove(at))",
    },
    Fault {
        name: "a newcomer at a queue goes by arrival alone",
        file: "sim/src/posix_mq/io.rs",
        from: "rposition(yields_to).map_or(0, |at| at + 1)",
        to: "rposition(yields_to).map_or(waiting.len(), |_| waiting.len())",
    },
    Fault {
        name: "a newcomer at a queue looks from the front",
        file: "sim/src/posix_mq/io.rs",
        from: "waiting.iter().rposition(yields_to).map_or(0, |at| at + 1)",
        to: "waiting.iter().position(|o| !yields_to(o)).unwrap_or(waiting.len())",
    },
    Fault {
        name: "a nice value is lowered again",
        file: "sim/src/process/nice.rs",
        from: "if nice < k.task(target).nice {",
        to: "if nice < 0 {",
    },
    Fault {
        name: "a notification comes again and again",
        file: "sim/src/posix_mq/io.rs",
        from: "let Some(told) = q.registration.take()",
        to: "let Some(told) = q.registration",
    },
    Fault {
        name: "a close keeps the registration",
        file: "sim/src/posix_mq/mod.rs",
        from: "cx.cite(if ended { MQ_091 } else { MQ_090 });\n                self.queues.get_mut(queue).registration = None;",
        to: "cx.cite(if ended { MQ_091 } else { MQ_090 });",
    },
    Fault {
        name: "MSG_NOERROR is not looked at",
        file: "sim/src/sysv_msg/io.rs",
        from: "let cuts = self.flags & MSG_NOERROR != 0;",
        to: "let cuts = false && self.flags & MSG_NOERROR != 0;",
    },
    Fault {
        name: "MSG_EXCEPT is not looked at",
        file: "sim/src/sysv_msg/queue.rs",
        from: "_ if except => Selection::Except(kind),",
        to: "_ if false && except => Selection::Except(kind),",
    },
    Fault {
        name: "a negative type takes the first that fits and not the lowest",
        file: "sim/src/sysv_msg/queue.rs",
        from: "Selection::AtMost(t) => kind <= t,",
        to: "Selection::AtMost(t) => kind < t,",
    },
    Fault {
        name: "msg_qbytes does not count",
        file: "sim/src/sysv_msg/queue.rs",
        from: "self.bytes + len <= self.limit && (self",
        to: "(self",
    },
    Fault {
        name: "a removed queue says EINVAL to who waits",
        file: "sim/src/sysv_msg/mod.rs",
        from: "Err(Errno::EIDRM)",
        to: "Err(Errno::EINVAL)",
    },
    Fault {
        name: "a message that was taken still counts",
        file: "sim/src/sysv_msg/queue.rs",
        from: "self.bytes -= message.len();",
        to: "self.bytes -= message.len() / 2;",
    },
];

fn copy(from: &Path, to: &Path) {
    let run = |c: &mut Command| assert!(c.status().expect("git runs").success());
    run(Command::new("git").args(["clone", "-q"]).arg(from).arg(to));
    // What is not committed yet counts too.
    let diff = Command::new("git")
        .current_dir(from)
        .args(["diff", "HEAD"])
        .output();
    let diff = diff.expect("git runs").stdout;
    if !diff.is_empty() {
        let mut apply = Command::new("git")
            .current_dir(to)
            .arg("apply")
            .stdin(Stdio::piped())
            .spawn()
            .expect("git runs");
        let mut input = apply.stdin.take().expect("it is piped");
        std::io::Write::write_all(&mut input, &diff).expect("git reads it");
        drop(input);
        assert!(apply.wait().expect("git ends").success());
    }
}

/// A fault that no longer applies would be caught by nobody.
#[test]
fn every_fault_has_its_place() {
    for fault in FAULTS {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(fault.file);
        let text = std::fs::read_to_string(&file).expect("the source is there");
        let places = text.matches(fault.from).count();
        let Fault { name, file, .. } = fault;
        assert_eq!(places, 1, "{name}: its place stands so often in {file}");
    }
}

#[test]
#[ignore = "rebuilds the command for every fault, which takes minutes"]
fn every_fault_is_caught() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let temporary = tempfile::tempdir().expect("a temporary folder can be made");
    let tree = temporary.path().join("lockstep");
    copy(&root, &tree);
    let target = temporary.path().join("target");
    let caught = |name: &str, scenarios: &[&str]| {
        let built = Command::new(env!("CARGO"))
            .current_dir(&tree)
            .env("CARGO_TARGET_DIR", &target)
            .args(["build", "-q", "--bin", "lockstep"])
            .status()
            .expect("cargo runs");
        assert!(built.success(), "{name}: the faulty program does not build");
        let run = Command::new(target.join("debug/lockstep"))
            .args(["run", "--rounds", "0"])
            .args(scenarios)
            .output()
            .expect("the command runs");
        run.status.code()
    };
    assert_eq!(
        caught("no fault", &[]),
        Some(0),
        "without a fault, all agree"
    );
    let mut unseen = Vec::new();
    for fault in FAULTS {
        let file = tree.join(fault.file);
        let text = std::fs::read_to_string(&file).expect("the source is there");
        std::fs::write(&file, text.replace(fault.from, fault.to)).expect("it can be written");
        let status = caught(fault.name, &[scenarios(fault.file)]);
        let seen = status == Some(1);
        eprintln!(
            "{}: {}",
            if seen { "caught" } else { "NOT CAUGHT" },
            fault.name
        );
        if !seen {
            unseen.push((fault.name, status));
        }
        std::fs::write(&file, text).expect("it can be written");
    }
    assert!(unseen.is_empty(), "not caught (exit status): {unseen:?}");
}
