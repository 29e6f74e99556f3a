//! Deliberate faults in the model: each is caught by the scenarios.
//!
//! A fault is a change of the source. The test copies the project, makes the change, builds the
//! command and runs the scenarios that come with it, without a race, and demands a difference. That
//! takes minutes, so it runs only when asked:
//!
//! ```text
//! cargo test --release --test faults -- --ignored
//! ```

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

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
        to: "let result = if !taken.data.is_empty() && writers > 0 {",
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
        from: "if (p.readers == 0) != (p.writers == 0) {",
        to: "if false && (p.readers == 0) != (p.writers == 0) {",
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

#[test]
#[ignore = "rebuilds the command for every fault, which takes minutes"]
fn every_fault_is_caught() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let temporary = tempfile::tempdir().expect("a temporary folder can be made");
    let tree = temporary.path().join("lockstep");
    copy(&root, &tree);
    let target = temporary.path().join("target");
    let caught = |name: &str| {
        let built = Command::new(env!("CARGO"))
            .current_dir(&tree)
            .env("CARGO_TARGET_DIR", &target)
            .args(["build", "-q", "--bin", "lockstep"])
            .status()
            .expect("cargo runs");
        assert!(built.success(), "{name}: the faulty program does not build");
        let run = Command::new(target.join("debug/lockstep"))
            .args(["run", "--rounds", "0"])
            .output()
            .expect("the command runs");
        run.status.code()
    };
    assert_eq!(caught("no fault"), Some(0), "without a fault, all agree");
    for fault in FAULTS {
        let file = tree.join(fault.file);
        let text = std::fs::read_to_string(&file).expect("the source is there");
        assert_eq!(
            text.matches(fault.from).count(),
            1,
            "{}: `{}` stands not once in {}",
            fault.name,
            fault.from,
            fault.file
        );
        std::fs::write(&file, text.replace(fault.from, fault.to)).expect("it can be written");
        let status = caught(fault.name);
        assert_eq!(status, Some(1), "{}: not caught", fault.name);
        eprintln!("caught: {}", fault.name);
        std::fs::write(&file, text).expect("it can be written");
    }
}
