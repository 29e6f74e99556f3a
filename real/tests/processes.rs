//! Signals, processes and threads, step by step: every value is known.

#[macro_use]
mod common;
use common::*;

told!(
    sigpipe_kills,
    r#"
setup
  pipe() = [r, w]
  close(r)
process writer
  write(w, "x")
process other
  exit(7)
"#,
    "writer other",
    [
        "setup = [3, 4]; setup = 0",
        "writer 0; writer killed by SIGPIPE",
        "other 0; other exited 7"
    ]
);

told!(
    sigpipe_is_handled_before_epipe,
    r#"
setup
  pipe() = [r, w]
  close(r)
process writer
  sigaction(SIGPIPE, record)
  write(w, "x")
"#,
    "writer writer writer",
    [
        "setup = [3, 4]; setup = 0",
        "writer 0; writer = 0",
        "writer 1; writer handles SIGPIPE SI_USER task 1; writer = -1 EPIPE",
        "writer 2; writer exited 0",
    ]
);

told!(
    a_handler_interrupts_or_restarts,
    r#"
setup
  pipe() = [r, w]
process reader
  sigaction(SIGUSR1, record)
  sigaction(SIGUSR2, record, SA_RESTART)
  read(r, 4)
  read(r, 4)
process sender
  kill(reader, SIGUSR1)
  kill(reader, SIGUSR2)
  write(w, "abcd")
"#,
    "reader reader reader sender reader sender sender",
    [
        "setup = [3, 4]",
        "reader 0; reader = 0",
        "reader 1; reader = 0",
        "reader 2; reader blocks",
        "sender 0; sender = 0; reader handles SIGUSR1 SI_USER task 2; reader = -1 EINTR",
        "reader 3; reader blocks",
        "sender 1; sender = 0; reader handles SIGUSR2 SI_USER task 2",
        "sender 2; sender = 4; reader = \"abcd\"",
        "reader 4; reader exited 0",
        "sender 3; sender exited 0",
    ]
);

told!(
    stopping_and_continuing,
    r#"
setup
  pipe() = [r, w]
process reader
  read(r, 4)
  read(r, 4)
process idler
  close(r)
process boss
  kill(reader, SIGSTOP)
  kill(idler, SIGSTOP)
  write(w, "abcd")
  kill(reader, SIGCONT)
  kill(boss, SIGSTOP)
"#,
    "reader boss boss idler boss boss",
    [
        "setup = [3, 4]",
        "reader 0; reader blocks",
        "boss 0; boss = 0",
        "boss 1; boss = 0",
        "boss 2; boss = 4",
        "boss 3; boss = 0; reader = \"abcd\"",
        "reader 1; reader blocks",
        "boss 4",
        "reader blocked 1; idler stopped 0; boss stopped 4",
    ]
);

told!(
    a_killed_process_takes_its_threads_along,
    r#"
setup
  pipe() = [r, w]
process victim
  thread helper
    read(r, 1)
  read(r, 1)
process killer
  kill(victim, SIGKILL)
"#,
    "victim helper victim killer",
    [
        "setup = [3, 4]",
        "victim 0; victim = task 3",
        "helper 0; helper blocks",
        "victim 1; victim blocks",
        "killer 0; killer = 0; victim killed by SIGKILL; helper killed by SIGKILL",
        "killer 1; killer exited 0",
    ]
);

told!(
    an_exit_takes_the_threads_along_but_a_thread_ends_alone,
    r#"
setup
  pipe() = [r, w]
process main
  thread short
    exit(3)
  thread long
    read(r, 1)
  exit(5)
"#,
    "main short main long main",
    [
        "setup = [3, 4]",
        "main 0; main = task 2",
        "short 0; short exited 3",
        "main 1; main = task 3",
        "long 0; long blocks",
        "main 2; main exited 5; long exited 5",
    ]
);

told!(
    children_inherit_and_their_end_is_told,
    r#"
process parent
  pipe() = [r, w]
  sigaction(SIGCHLD, record)
  fork child
    close(r)
    write(w, "x")
  close(w)
  read(r, 8)
  read(r, 8)
"#,
    "parent parent parent parent parent child child parent child",
    [
        "",
        "parent 0; parent = [3, 4]",
        "parent 1; parent = 0",
        "parent 2; parent = task 2",
        "parent 3; parent = 0",
        "parent 4; parent blocks",
        "child 0; child = 0",
        "child 1; child = 1; parent = \"x\"",
        "parent 5; parent blocks",
        "child 2; child exited 0; parent handles SIGCHLD CLD_EXITED task 2; parent = \"\"",
        "parent 6; parent exited 0",
    ]
);

told!(
    a_child_that_nobody_waits_for_is_accounted_for,
    r#"
process parent
  sigaction(SIGCHLD, SIG_IGN)
  fork killed
    close(9)
  kill(killed, SIGTERM)
  fork exits
    exit(4)
"#,
    "parent parent parent parent exits parent",
    [
        "",
        "parent 0; parent = 0",
        "parent 1; parent = task 2",
        "parent 2; parent = 0; killed killed by SIGTERM",
        "parent 3; parent = task 3",
        "exits 0; exits exited 4",
        "parent 4; parent exited 0",
    ]
);

told!(
    a_write_that_stored_something_is_cut_short_by_a_signal,
    r#"
setup
  pipe() = [r, w]
process writer
  sigaction(SIGUSR1, record, SA_RESTART)
  write(w, "a"*65536 + "b")
process other
  kill(writer, SIGUSR1)
"#,
    "writer writer other",
    [
        "setup = [3, 4]",
        "writer 0; writer = 0",
        "writer 1; writer blocks",
        "other 0; other = 0; writer handles SIGUSR1 SI_USER task 2; writer = 65536",
        "writer 2; writer exited 0",
        "other 1; other exited 0",
    ]
);

told!(
    standard_signals_merge_realtime_signals_queue_and_handlers_stack,
    r#"
process p
  sigaction(SIGUSR1, record)
  sigaction(SIGRTMIN, record)
  sigaction(SIGRTMIN+1, record)
  sigprocmask(SIG_BLOCK, [SIGUSR1, SIGRTMIN, SIGRTMIN+1])
  kill(p, SIGRTMIN+1)
  kill(p, SIGRTMIN)
  kill(p, SIGUSR1)
  kill(p, SIGUSR1)
  kill(p, SIGRTMIN)
  sigpending()
  sigprocmask(SIG_UNBLOCK, [SIGUSR1, SIGRTMIN, SIGRTMIN+1])
"#,
    "",
    [
        "",
        "p 0; p = 0",
        "p 1; p = 0",
        "p 2; p = 0",
        "p 3; p = 0",
        "p 4; p = 0",
        "p 5; p = 0",
        "p 6; p = 0",
        "p 7; p = 0",
        "p 8; p = 0",
        "p 9; p = [SIGUSR1, SIGRTMIN, SIGRTMIN+1]",
        "p 10; p handles SIGRTMIN+1 SI_USER task 1; p handles SIGRTMIN SI_USER task 1; p handles SIGRTMIN SI_USER task 1; p handles SIGUSR1 SI_USER task 1; p = 0",
        "p 11; p exited 0",
    ]
);

told!(
    an_idle_task_handles_a_signal,
    r#"
process a
  sigaction(SIGUSR1, record, SA_RESETHAND)
  close(99)
process b
  kill(a, SIGUSR1)
  kill(a, SIGUSR1)
"#,
    "a b b",
    [
        "",
        "a 0; a = 0",
        "b 0; b = 0; a handles SIGUSR1 SI_USER task 2",
        "b 1; b = 0; a killed by SIGUSR1",
        "b 2; b exited 0",
    ]
);

told!(
    a_child_of_a_child_and_its_status,
    r#"
process a
  fork b
    fork c
      exit(9)
    kill(c, SIGCONT)
  kill(b, SIGKILL)
"#,
    "a b c b a",
    [
        "",
        "a 0; a = task 2",
        "b 0; b = task 3",
        "c 0; c exited 9",
        "b 1; b = 0",
        "a 1; a = 0; b killed by SIGKILL",
        "a 2; a exited 0",
    ]
);

told!(
    a_thread_directed_signal_reaches_that_thread,
    r#"
setup
  pipe() = [r, w]
process main
  sigaction(SIGUSR1, record)
  thread t
    read(r, 1)
  tgkill(t, SIGUSR1)
  read(r, 1)
"#,
    "main main t main main",
    [
        "setup = [3, 4]",
        "main 0; main = 0",
        "main 1; main = task 2",
        "t 0; t blocks",
        "main 2; main = 0; t handles SIGUSR1 SI_TKILL task 1; t = -1 EINTR",
        "main 3; main blocks",
        "t 1; t exited 0",
        "main blocked 3",
    ]
);
