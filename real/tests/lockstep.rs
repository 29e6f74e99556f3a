//! Programs whose every value is known.

mod common;
use common::*;

/// Runs a scenario and holds each step against what is written.
macro_rules! told {
    ($name:ident, $text:literal, $order:literal, [$($line:literal),* $(,)?]) => {
        #[test]
        fn $name() {
            let mut sandbox = sandbox();
            let expected: Vec<&str> = vec![$($line),*];
            assert_eq!(story(&mut sandbox, $text, $order), expected);
            // A second run in the same sandbox finds no trace of the first.
            assert_eq!(story(&mut sandbox, $text, $order), expected);
        }
    };
}

told!(
    a_pipe_blocks_and_ends,
    r#"
setup
  pipe() = [r, w]
process writer
  close(r)
  write(w, "hello")
process reader
  close(w)
  read(r, 64)
  read(r, 64)
"#,
    "reader reader writer writer reader writer",
    [
        "setup = [3, 4]",
        "reader 0; reader = 0",
        "reader 1; reader blocks",
        "writer 0; writer = 0",
        "writer 1; writer = 5; reader = \"hello\"",
        "reader 2; reader blocks",
        "writer 2; writer exited 0; reader = \"\"",
        "reader 3; reader exited 0",
    ]
);

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
    a_fifo_is_a_rendezvous,
    r#"
setup
  mkfifo("f", 0o644)
process reader
  open("f", O_RDONLY) = r
  read(r, 8)
process writer
  open("f", O_WRONLY) = w
  write(w, "hi")
  stat("f") = [_, _, _, _, _, _, i]
"#,
    "reader writer reader writer writer writer reader",
    [
        "setup = 0",
        "reader 0; reader blocks",
        "writer 0; writer = 3; reader = 3",
        "reader 1; reader blocks",
        "writer 1; writer = 2; reader = \"hi\"",
        "writer 2; writer = [S_IFIFO, 0o644, 1, 0, 0, 0, inode#0]",
        "writer 3; writer exited 0",
        "reader 2; reader exited 0",
    ]
);

told!(
    poll_waits_for_events_and_for_time,
    r#"
setup
  pipe() = [r, w]
process poller
  poll([[r, POLLIN], [w, POLLOUT]], 0)
  poll([[r, POLLIN]], -1)
  poll([[r, POLLIN]], 20)
  poll([[99, POLLIN], [-1, POLLIN]], 0)
process writer
  write(w, "x")
"#,
    "poller poller writer poller",
    [
        "setup = [3, 4]",
        "poller 0; poller = [0, POLLOUT]",
        "poller 1; poller blocks",
        "writer 0; writer = 1; poller = [POLLIN]",
        "poller 2; poller = [POLLIN]",
        "poller 3; poller = [POLLNVAL, 0]",
        "poller 4; poller exited 0",
        "writer 1; writer exited 0",
    ]
);

told!(
    a_timeout_is_waited_for_at_the_end,
    r#"
setup
  pipe() = [r, w]
process poller
  poll([[r, POLLIN]], 30)
  write(w, "x")
"#,
    "poller",
    [
        "setup = [3, 4]",
        "poller 0; poller blocks",
        "poller = [0]",
        "poller 1; poller = 1",
        "poller 2; poller exited 0",
    ]
);

told!(
    bad_memory,
    r#"
setup
  pipe2(O_NONBLOCK) = [r, w]
process p
  read(r, outside(10))
  read(r, fault(0, 10))
  write(w, fault("abc", 5000))
  write(w, fault("abc", 5))
  write(w, "0123456789")
  read(r, fault(4, 10))
  read(r, 4)
  write(w, null(1))
  read(r, -1)
  readv(r, [2, 3])
  pipe_to(O_CLOEXEC, null(8))
  pipe_to(O_CLOEXEC, outside(8))
  ioctl(r, FIONREAD_FAULT)
"#,
    "",
    [
        "setup = [3, 4]",
        "p 0; p = -1 EFAULT",
        "p 1; p = -1 EAGAIN",
        "p 2; p = -1 EFAULT",
        "p 3; p = -1 EFAULT",
        "p 4; p = 10",
        "p 5; p = -1 EFAULT",
        "p 6; p = \"0123\"",
        "p 7; p = -1 EFAULT",
        "p 8; p = -1 EFAULT",
        "p 9; p = \"45678\"",
        "p 10; p = -1 EFAULT",
        "p 11; p = -1 EFAULT",
        "p 12; p = -1 EFAULT",
        "p 13; p exited 0",
    ]
);

told!(
    large_buffers_and_counts,
    r#"
setup
  pipe() = [r, w]
  fcntl(r, F_SETPIPE_SZ, 1048576)
process writer
  write(w, "a"*2097152 + "b")
process reader
  read(r, 2097152)
  read(r, 2147483647)
  read(r, 2147479552)
  read(r, 1099511627776)
"#,
    "writer reader reader reader writer reader reader",
    [
        "setup = [3, 4]; setup = 1048576",
        "writer 0; writer blocks",
        "reader 0; reader = \"a\"*1048576",
        "reader 1; reader = \"a\"*1048576; writer = 2097153",
        "reader 2; reader = \"b\"",
        "writer 1; writer exited 0",
        "reader 3; reader blocks",
        "reader blocked 3",
    ]
);

told!(
    the_last_reader_leaves_a_sleeping_writer_behind,
    r#"
setup
  pipe() = [r, w]
process writer
  close(r)
  sigaction(SIGPIPE, record)
  write(w, "a"*65537)
process reader
  close(w)
  close(r)
"#,
    "writer writer writer reader reader",
    [
        "setup = [3, 4]",
        "writer 0; writer = 0",
        "writer 1; writer = 0",
        "writer 2; writer blocks",
        "reader 0; reader = 0",
        "reader 1; reader = 0; writer handles SIGPIPE SI_USER task 1; writer = 65536",
        "writer 3; writer exited 0",
        "reader 2; reader exited 0",
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
    a_stopped_opener_is_withdrawn,
    r#"
setup
  mkfifo("f", 0o600)
process reader
  open("f", O_RDONLY)
process other
  open("f", O_WRONLY|O_NONBLOCK)
  kill(reader, SIGSTOP)
  open("f", O_WRONLY|O_NONBLOCK)
  kill(reader, SIGCONT)
  open("f", O_WRONLY|O_NONBLOCK)
"#,
    "reader other other other other other",
    [
        "setup = 0",
        "reader 0; reader blocks",
        "other 0; other = 3; reader = 3",
        "other 1; other = 0",
        "other 2; other = 4",
        "other 3; other = 0",
        "other 4; other = 5",
        "reader 1; reader exited 0",
        "other 5; other exited 0",
    ]
);

told!(
    a_stopped_opener_that_nobody_met,
    r#"
setup
  mkfifo("f", 0o600)
process reader
  open("f", O_RDONLY)
process other
  kill(reader, SIGSTOP)
  open("f", O_WRONLY|O_NONBLOCK)
  kill(reader, SIGCONT)
  open("f", O_WRONLY|O_NONBLOCK)
"#,
    "reader other other other other",
    [
        "setup = 0",
        "reader 0; reader blocks",
        "other 0; other = 0",
        "other 1; other = -1 ENXIO",
        "other 2; other = 0",
        "other 3; other = 3; reader = 3",
        "reader 1; reader exited 0",
        "other 4; other exited 0",
    ]
);

told!(
    sleeping_readers_are_served_in_the_order_of_their_arrival,
    r#"
setup
  pipe() = [r, w]
process a
  read(r, 1)
process b
  read(r, 1)
process c
  read(r, 1)
process writer
  write(w, "123")
"#,
    "b c a writer",
    [
        "setup = [3, 4]",
        "b 0; b blocks",
        "c 0; c blocks",
        "a 0; a blocks",
        "writer 0; writer = 3; b = \"1\"; c = \"2\"; a = \"3\"",
        "a 1; a exited 0",
        "b 1; b exited 0",
        "c 1; c exited 0",
        "writer 1; writer exited 0",
    ]
);

told!(
    a_thread_closes_what_another_reads,
    r#"
setup
  pipe() = [r, w]
process main
  thread helper
    close(r)
    write(w, "x")
    read(r, 1)
  read(r, 1)
"#,
    "main main helper helper helper",
    [
        "setup = [3, 4]",
        "main 0; main = task 2",
        "main 1; main blocks",
        "helper 0; helper = 0",
        "helper 1; helper = 1; main = \"x\"",
        "helper 2; helper = -1 EBADF",
        "main 2; main exited 0; helper exited 0",
    ]
);

told!(
    an_owner_is_told_of_input,
    r#"
setup
  pipe() = [r, w]
process owner
  sigaction(SIGIO, record)
  fcntl(r, F_SETOWN, owner)
  fcntl(r, F_SETFL, O_ASYNC|O_NONBLOCK)
  read(r, 1)
  sigaction(SIGUSR1, record)
  fcntl(r, F_SETSIG, SIGUSR1)
  write(w, "y")
process writer
  write(w, "x")
"#,
    "owner owner owner writer owner",
    [
        "setup = [3, 4]",
        "owner 0; owner = 0",
        "owner 1; owner = 0",
        "owner 2; owner = 0",
        "writer 0; writer = 1; owner handles SIGIO SI_KERNEL 0",
        "owner 3; owner = \"x\"",
        "owner 4; owner = 0",
        "owner 5; owner = 0",
        "owner 6; owner handles SIGUSR1 POLL_IN 0; owner = 1",
        "owner 7; owner exited 0",
        "writer 1; writer exited 0",
    ]
);

told!(
    bytes_travel_through_a_chain_of_splices,
    r#"
setup
  pipe() = [r1, w1]
  pipe() = [r2, w2]
process mover
  splice(r1, w2, 100)
process reader
  read(r2, 100)
process writer
  write(w1, "through")
"#,
    "mover reader writer",
    [
        "setup = [3, 4]; setup = [5, 6]",
        "mover 0; mover blocks",
        "reader 0; reader blocks",
        "writer 0; writer = 7; mover = 7; reader = \"through\"",
        "mover 1; mover exited 0",
        "reader 1; reader exited 0",
        "writer 1; writer exited 0",
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

told!(
    no_descriptor_is_left_below_the_limit,
    r#"
setup
  setrlimit(RLIMIT_NOFILE, 5)
process p
  pipe()
  pipe()
  setrlimit(RLIMIT_NOFILE, 6)
  dup(0)
"#,
    "",
    [
        "setup = 0",
        "p 0; p = [3, 4]",
        "p 1; p = -1 EMFILE",
        "p 2; p = 0",
        "p 3; p = 5",
        "p 4; p exited 0",
    ]
);
