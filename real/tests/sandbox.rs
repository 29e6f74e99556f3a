//! The sandbox itself: privileges, methods of knowing quiet, isolation.

mod common;
use common::*;
use real::{Isolation, Options, Quiet, RaceCpus, RunError, Sandbox};
use scenario::Sysctl;
use std::time::{Duration, Instant};

#[test]
fn each_method_knows_quiet() {
    for quiet in [
        Quiet::Auto,
        Quiet::Realtime,
        Quiet::Pinned,
        Quiet::DoubleCollect,
    ] {
        match Sandbox::new(&Options {
            quiet,
            ..Options::default()
        }) {
            Ok(mut sandbox) => {
                if quiet != Quiet::Auto {
                    assert_eq!(sandbox.facts().quiet, quiet);
                }
                for _ in 0..20 {
                    told(&mut sandbox);
                }
            }
            Err(e) if quiet == Quiet::Realtime => eprintln!("skipped {quiet:?}: {e}"),
            Err(e) => panic!("{quiet:?}: {e}"),
        }
    }
}

#[test]
fn memory_of_their_own_makes_no_difference() {
    let mut sandbox = Sandbox::new(&Options {
        own_memory: true,
        ..Options::default()
    })
    .unwrap();
    for _ in 0..20 {
        told(&mut sandbox);
    }
}

#[test]
fn slowly_makes_no_difference() {
    let mut sandbox = Sandbox::new(&Options {
        slow: true,
        ..Options::default()
    })
    .unwrap();
    told(&mut sandbox);
}

#[test]
fn load_makes_no_difference() {
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        // Three methods, some thousand steps in all; every one must be as told.
        for (quiet, runs) in [
            (Quiet::Auto, 300),
            (Quiet::Pinned, 40),
            (Quiet::DoubleCollect, 40),
        ] {
            let mut sandbox = Sandbox::new(&Options {
                quiet,
                ..Options::default()
            })
            .unwrap();
            for _ in 0..runs {
                told(&mut sandbox);
            }
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn without_privileges() {
    let result = apart(true, || {
        let mut sandbox = Sandbox::new(&Options {
            isolation: Isolation::Required,
            ..Options::default()
        })
        .map_err(|e| e.to_string())?;
        let facts = sandbox.facts().clone();
        if !facts.user_namespace || facts.root || facts.quiet == Quiet::Realtime {
            return Err(format!("{facts:?}"));
        }
        for _ in 0..20 {
            told(&mut sandbox);
        }
        let needy = program("needs root\nprocess p\n  setuid(1000)\n");
        match sandbox.lockstep(&needy, &[]) {
            Err(RunError::Skip(why)) => Ok(why.to_string()),
            other => Err(format!("{other:?}")),
        }
    });
    match result {
        Ok(why) => assert!(why.contains("needs root"), "{why}"),
        // Some machines permit no user namespaces.
        Err(why) if why.contains("namespace") => eprintln!("skipped: {why}"),
        Err(why) => panic!("{why}"),
    }
}

#[test]
fn without_namespaces_only_the_harmless_is_run() {
    let options = Options {
        isolation: Isolation::Without,
        ..Options::default()
    };
    let mut sandbox = Sandbox::new(&options).unwrap();
    assert!(!sandbox.facts().is_closed());
    told(&mut sandbox);
    for (text, why) in [
        (
            "process p\n  kill(-1, SIGKILL)\n",
            "signals a process by number",
        ),
        (
            "process p\n  open(\"/etc/passwd\", O_RDONLY)\n",
            "outside its directory",
        ),
        ("process p\n  unlink(\"../x\")\n", "outside its directory"),
        ("process p\n  execve(\"x\")\n", "executes"),
        (
            "process p\n  sysctl_write(\"kernel.msgmax\", 1)\n",
            "sets limits of the IPC namespace, and the sandbox has no ipc namespace",
        ),
        (
            "process p\n  sysctl(\"fs.mqueue.msg_max\")\n",
            "reads limits of the IPC namespace, and the sandbox has no ipc namespace",
        ),
    ] {
        match sandbox.lockstep(&program(text), &[]) {
            Err(RunError::Skip(skip)) => assert!(skip.0.contains(why), "{skip}"),
            other => panic!("{text}: {other:?}"),
        }
    }
}

/// The conductor and whoever started it are in other groups: after each of these the sandbox goes on.
#[test]
fn a_signal_to_a_group_stays_within_the_run() {
    for isolation in [Isolation::Auto, Isolation::Without] {
        let options = Options {
            isolation,
            ..Options::default()
        };
        let mut sandbox = Sandbox::new(&options).unwrap();
        for (call, rest) in [
            (
                "kill(0, SIGKILL)",
                "p killed by SIGKILL; q killed by SIGKILL",
            ),
            (
                "killpg(0, SIGKILL)",
                "p killed by SIGKILL; q killed by SIGKILL",
            ),
            (
                "killpg(p, SIGKILL)",
                "p killed by SIGKILL; q killed by SIGKILL",
            ),
            ("killpg(setup, SIGTERM)", "p = 0"),
            ("killpg(setup, SIGKILL)", "p = 0; setup killed by SIGKILL"),
        ] {
            let text = format!("process p\n  {call}\nprocess q\n  close(3)\n");
            let lines = story(&mut sandbox, &text, "p");
            assert_eq!(lines[1], format!("p 0; {rest}"), "{call}");
            told(&mut sandbox);
        }
    }
}

#[test]
fn with_namespaces_nothing_outside_is_reached() {
    let mut sandbox = sandbox();
    if !sandbox.facts().is_closed() {
        eprintln!("skipped: {:?}", sandbox.facts().namespaces);
        return;
    }
    let text = r#"
process killer
  open("/etc/passwd", O_RDONLY)
  open("/left", O_CREAT|O_RDWR, 0o644)
  kill(-1, SIGKILL)
process victim
  close(3)
"#;
    let lines = [
        "",
        "killer 0; killer = -1 ENOENT",
        "killer 1; killer = 3",
        "killer 2; killer = 0; setup killed by SIGKILL; victim killed by SIGKILL",
        "killer 3; killer exited 0",
    ];
    // The second run must find no `/left` either.
    for _ in 0..2 {
        assert_eq!(story(&mut sandbox, text, ""), lines);
    }
    let look = "process p\n  stat(\"/left\")\n  stat(\"/proc/1\")\n";
    let lines = story(&mut sandbox, look, "");
    assert_eq!(lines[1], "p 0; p = -1 ENOENT");
    assert!(
        lines[2].starts_with("p 1; p = [S_IFDIR, 0o555"),
        "{}",
        lines[2]
    );
}

#[test]
fn nothing_leaks_from_run_to_run() {
    let mut sandbox = sandbox();
    // The lowest free descriptor, the mask, the directory, the pending signals: as ever.
    let text = r#"
setup
  pipe() = [r, w]
process p
  umask(0o777)
  sigprocmask(SIG_BLOCK, [SIGUSR1])
  kill(p, SIGUSR1)
  mkfifo("here", 0o600)
  mkdir("dir", 0o700)
  mkfifo("dir/deep", 0o600)
  setrlimit(RLIMIT_NOFILE, 10)
  sigaction(SIGTERM, SIG_IGN)
  sigpending()
process q
  umask(0o22)
  fcntl(r, F_DUPFD, 255)
  fcntl(r, F_DUPFD, 256)
  sigpending()
  kill(q, SIGTERM)
"#;
    let lines = [
        "setup = [3, 4]",
        "p 0; p = 0o22",
        "p 1; p = 0",
        "p 2; p = 0",
        "p 3; p = 0",
        "p 4; p = 0",
        "p 5; p = -1 EACCES",
        "p 6; p = 0",
        "p 7; p = 0",
        "p 8; p = [SIGUSR1]",
        "p 9; p exited 0",
        "q 0; q = 0o22",
        "q 1; q = 255",
        "q 2; q = -1 EINVAL",
        "q 3; q = []",
        "q 4; q killed by SIGTERM",
    ];
    for _ in 0..50 {
        let got = story(&mut sandbox, text, "");
        for (got, expected) in got.iter().zip(lines) {
            // Root passes over the mode of the directory.
            if expected == "p 5; p = -1 EACCES" && sandbox.facts().root {
                assert_eq!(got, "p 5; p = 0");
            } else {
                assert_eq!(got, expected);
            }
        }
        assert_eq!(got.len(), lines.len());
    }
}

#[test]
fn orderings_skip_who_is_not_idle() {
    let mut sandbox = sandbox();
    let program = program(
        "setup\n  pipe() = [r, w]\nprocess a\n  read(r, 1)\nprocess b\n  write(w, \"x\")\n",
    );
    let run = run(&mut sandbox, &program, "a a a b b b b").unwrap();
    assert_eq!(run.skipped, [1, 2, 5, 6]);
    assert_eq!(run.ordering(), ordering(&program, "a b b a"));
}

#[test]
fn a_setup_that_sleeps_is_refused() {
    let mut sandbox = sandbox();
    let program = program("setup\n  pipe() = [r, w]\n  read(r, 1)\nprocess a\n  close(r)\n");
    match sandbox.lockstep(&program, &[]) {
        Err(RunError::SetupBlocks(1)) => {}
        other => panic!("{other:?}"),
    }
    told(&mut sandbox);
}

#[test]
fn an_overrun_is_told_with_its_trace() {
    // A deadline that has passed before the first step is over.
    let options = Options {
        run_deadline: Duration::from_millis(100),
        ..Options::default()
    };
    let mut sandbox = Sandbox::new(&options).unwrap();
    let program = program("setup\n  pipe() = [r, w]\nprocess a\n  poll([[r, POLLIN]], 1500)\n");
    match sandbox.lockstep(&program, &[]) {
        Err(RunError::Overrun(run)) => {
            assert!(run.overrun);
            assert_eq!(
                tell(&program, &run),
                ["setup = [3, 4]", "a 0; a blocks", "a unfinished"]
            );
        }
        other => panic!("{other:?}"),
    }
    told(&mut sandbox);
}

#[test]
fn a_race_finds_every_outcome_of_a_small_program() {
    let program = program(
        r#"
setup
  pipe() = [r, w]
process writer
  close(r)
  write(w, "hello")
  write(w, "world")
process reader
  close(w)
  read(r, 64) = a
sometimes a == "hello"
sometimes a == "helloworld"
"#,
    );
    let mut sandbox = sandbox();
    for cpus in [RaceCpus::One, RaceCpus::All] {
        let outcomes = sandbox.race(&program, 1000, cpus, 7).unwrap();
        assert_eq!(outcomes.iter().map(|o| o.1).sum::<u32>(), 1000);
        let mut values: Vec<String> = outcomes
            .iter()
            .map(|(o, _)| {
                o.values[0]
                    .as_ref()
                    .map_or("nothing".into(), |v| v.to_string())
            })
            .collect();
        values.sort();
        // The writer ends by itself or is killed by SIGPIPE.
        values.dedup();
        assert_eq!(values, ["\"hello\"", "\"helloworld\""], "{cpus:?}");
    }
    told(&mut sandbox);
}

#[test]
fn a_race_knows_who_is_left_asleep() {
    let program = program(
        r#"
setup
  pipe() = [r, w]
process a
  read(r, 1) = x
process b
  read(r, 1) = y
process c
  write(w, "1")
sometimes x == "1"
sometimes y == "1"
"#,
    );
    let mut sandbox = sandbox();
    for cpus in [RaceCpus::One, RaceCpus::All] {
        for (outcome, _) in sandbox.race(&program, 300, cpus, 11).unwrap() {
            use scenario::End::{Blocked, Exited};
            assert_eq!(outcome.ends[2], Exited(0), "{outcome:?}");
            match outcome.values.as_slice() {
                [Some(_), None] => assert_eq!(outcome.ends[..2], [Exited(0), Blocked(0)]),
                [None, Some(_)] => assert_eq!(outcome.ends[..2], [Blocked(0), Exited(0)]),
                _ => panic!("{cpus:?}: {outcome:?}"),
            }
        }
    }
}

#[test]
fn a_race_knows_who_was_killed_before_it_began() {
    let program = program(
        r#"
process victim
  thread second
process killer
  kill(victim, SIGKILL)
"#,
    );
    let mut sandbox = sandbox();
    for cpus in [RaceCpus::One, RaceCpus::All] {
        for (outcome, _) in sandbox.race(&program, 2000, cpus, 5).unwrap() {
            use scenario::End::{Exited, Killed, NotStarted};
            let killed = Killed(scenario::Signal::SIGKILL);
            let ends = program.task_ids().skip(1).zip(&outcome.ends);
            for (task, end) in ends {
                match program.task(task).name.as_str() {
                    "killer" => assert_eq!(*end, Exited(0)),
                    "victim" => assert!([killed, Exited(0)].contains(end), "{outcome:?}"),
                    _ => assert!([killed, Exited(0), NotStarted].contains(end), "{outcome:?}"),
                }
            }
        }
    }
}

#[test]
fn a_step_costs_little_more_than_two_switches() {
    let mut sandbox = sandbox();
    if sandbox.facts().quiet != Quiet::Realtime {
        eprintln!("skipped: {}", sandbox.facts().quiet_reason);
        return;
    }
    let calls = 1000;
    let text = format!("process p\n{}", "  umask(0)\n".repeat(calls));
    let program = program(&text);
    // The least of several: whatever else the machine does only adds to it.
    let bare = (0..10)
        .map(|_| sandbox.pingpong(1000).unwrap() / 1000)
        .min()
        .unwrap();
    let step = (0..10).map(|_| {
        let start = Instant::now();
        sandbox.lockstep(&program, &[]).unwrap();
        start.elapsed() / calls as u32
    });
    let step = step.min().unwrap();
    // Twice, and once more for code that was not built for speed.
    assert!(
        step < bare * 3,
        "a step takes {step:?}, a bare ping-pong {bare:?}"
    );
}

#[test]
fn namespaces_that_are_refused_are_named() {
    let result = apart(false, || {
        // A user namespace in which no further namespaces may be made, and no capability.
        // SAFETY: plain system calls on this process, which has one thread.
        unsafe {
            if libc::unshare(libc::CLONE_NEWUSER) != 0 {
                return Err("skip: no user namespace".into());
            }
            let write = |file: &str, text: &str| {
                std::fs::write(file, text).map_err(|e| format!("{file}: {e}"))
            };
            write("/proc/self/setgroups", "deny")?;
            write("/proc/self/uid_map", "0 0 1")?;
            write("/proc/self/gid_map", "0 0 1")?;
            write("/proc/sys/user/max_user_namespaces", "0")?;
            let header = [0x2008_0522u32, 0];
            let none = [0u32; 6];
            if libc::syscall(libc::SYS_capset, header.as_ptr(), none.as_ptr()) != 0 {
                return Err("capset".into());
            }
        }
        let required = Options {
            isolation: Isolation::Required,
            ..Options::default()
        };
        let refused = match Sandbox::new(&required) {
            Err(error) => error.to_string(),
            Ok(sandbox) => return Err(format!("{:?}", sandbox.facts())),
        };
        let mut sandbox = Sandbox::new(&Options::default()).map_err(|e| e.to_string())?;
        told(&mut sandbox);
        Ok(refused)
    });
    match result {
        Ok(refused) => {
            assert!(
                refused.starts_with("no pid namespace: Operation not permitted"),
                "{refused}"
            );
            assert!(
                refused.contains("no user namespace: No space left"),
                "{refused}"
            );
        }
        Err(why) if why.starts_with("skip") => eprintln!("{why}"),
        Err(why) => panic!("{why}"),
    }
}

/// The limits that an IPC namespace has of its own, as this process sees them.
fn limits() -> Vec<(&'static str, Option<String>)> {
    let value = |s: &Sysctl| {
        let path = format!("/proc/sys/{}", s.name().replace('.', "/"));
        (s.name(), std::fs::read_to_string(path).ok())
    };
    Sysctl::ALL.iter().map(value).collect()
}

/// Sets all limits, which the next run, of another kind, must not find.
fn sets_limits_for_itself_alone(sandbox: &mut Sandbox) -> Result<String, String> {
    let outside = limits();
    let has_queues = sandbox.facts().facilities.iter().any(|f| f == "posix_mq");
    let there = |s: &&Sysctl| s.is_system_v() || has_queues;
    let sets = |s: &Sysctl| format!("  sysctl_write(\"{s}\", 200)\n  sysctl(\"{s}\")\n");
    let text: String = Sysctl::ALL.iter().filter(there).map(sets).collect();
    let text = format!("process p\n{text}");
    let opens = "process p\n  mq_open(\"/q\", O_CREAT|O_RDWR, 0o600)\n  mq_getattr(3)\n";
    for _ in 0..3 {
        let run = sandbox
            .lockstep(&program(&text), &[])
            .map_err(|e| e.to_string())?;
        let told = tell(&program(&text), &run);
        let set = told.iter().filter(|l| l.ends_with("p = 0")).count();
        let read = told.iter().filter(|l| l.ends_with("p = 200")).count();
        if (set, read) != (text.lines().count() / 2, text.lines().count() / 2) {
            return Err(format!("{told:#?}"));
        }
        if has_queues {
            let told = story(sandbox, opens, "");
            assert_eq!(told[2], "p 1; p = [0, 10, 8192, 0]");
        }
        let told = story(sandbox, "process p\n  msgctl(0, IPC_INFO)\n", "");
        assert_eq!(told[1], "p 0; p = [0, 8192, 16384, 32000]");
    }
    assert_eq!(outside, limits());
    Ok(String::new())
}

#[test]
fn limits_are_those_of_one_run() {
    let mut sandbox = sandbox();
    if let Some(why) = &sandbox.facts().limits_refused {
        eprintln!("skipped: {why}");
        return;
    }
    sets_limits_for_itself_alone(&mut sandbox).unwrap();
    let text = "process p\n  thread t\n    sysctl(\"kernel.msgmax\")\n  close(99)\n";
    match sandbox.lockstep(&program(text), &[]) {
        Err(RunError::Skip(skip)) => assert!(skip.0.contains("threads could see"), "{skip}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn limits_are_those_of_one_run_without_privileges() {
    let result = apart(true, || {
        let mut sandbox = Sandbox::new(&Options {
            isolation: Isolation::Required,
            ..Options::default()
        })
        .map_err(|e| e.to_string())?;
        match &sandbox.facts().limits_refused {
            Some(why) => Err(format!("limits: {why}")),
            None => sets_limits_for_itself_alone(&mut sandbox),
        }
    });
    match result {
        Ok(_) => {}
        // Some machines permit no user namespaces, older kernels no limits to be set in one.
        Err(why) if why.contains("namespace") || why.starts_with("limits") => {
            eprintln!("skipped: {why}");
        }
        Err(why) => panic!("{why}"),
    }
}

/// Where real-time priorities are permitted, workers with them would all be equal.
#[test]
fn nice_values_count_whatever_the_method() {
    let text = r#"
needs posix_mq
setup
  mq_open_attr("/q", O_CREAT|O_RDWR, 0o600, 2, 8) = q
process nice
  setpriority(PRIO_PROCESS, 0, 10)
  mq_receive(q, 8)
process other
  mq_receive(q, 8)
process sender
  mq_send(q, "1", 0)
  mq_send(q, "2", 0)
"#;
    for quiet in [Quiet::Realtime, Quiet::Pinned, Quiet::DoubleCollect] {
        let options = Options {
            quiet,
            ..Options::default()
        };
        let mut sandbox = match Sandbox::new(&options) {
            Ok(sandbox) => sandbox,
            Err(why) => {
                eprintln!("skipped: {quiet:?}: {why}");
                continue;
            }
        };
        let program = program(text);
        if let Err(why) = sandbox.can_run(&program) {
            eprintln!("skipped: {quiet:?}: {why}");
            continue;
        }
        let lines = story(&mut sandbox, text, "nice nice other sender sender");
        assert_eq!(
            lines[4], "sender 0; sender = 0; other = [\"1\", 0]",
            "{quiet:?}"
        );
        assert_eq!(
            lines[5], "sender 1; sender = 0; nice = [\"2\", 0]",
            "{quiet:?}"
        );
        sandbox.race(&program, 4, RaceCpus::All, 1).unwrap();
        // What comes next is as if nothing had been.
        told(&mut sandbox);
    }
}

#[test]
fn no_number_names_a_process_of_the_sandbox() {
    let mut sandbox = sandbox();
    let mut program = program("process p\n  setpriority(PRIO_PROCESS, 0, 19)\n");
    for number in [1, 2, 4_194_304, (1 << 32) + 1] {
        program.tasks[1].body[0].args[0] = scenario::Arg::Value(scenario::Value::Int(number));
        match sandbox.lockstep(&program, &[]) {
            Err(RunError::Unsupported { why, .. }) => {
                assert!(why.0.contains("named by its task"), "{number}: {why}");
            }
            other => panic!("{number}: {other:?}"),
        }
    }
}

#[test]
fn workers_hold_no_capability_that_sets_them_above_limits() {
    let mut sandbox = sandbox();
    let program =
        program("needs cap CAP_SYS_NICE\nprocess p\n  setpriority(PRIO_PROCESS, 0, -1) = 0\n");
    match sandbox.lockstep(&program, &[]) {
        Ok(run) => assert!(run.outcome(&program).failed.is_empty()),
        Err(RunError::Skip(why)) => eprintln!("skipped: {why}"),
        Err(other) => panic!("{other:?}"),
    }
    let lines = story(
        &mut sandbox,
        "needs nocap CAP_SYS_NICE, nocap CAP_SYS_RESOURCE\nprocess p\n  setpriority(PRIO_PROCESS, 0, -1)\n",
        "p",
    );
    assert!(
        ["p 0; p = -1 EACCES", "error: it has nice values"]
            .iter()
            .any(|told| lines.iter().any(|line| line.starts_with(told))),
        "{lines:?}"
    );
}
