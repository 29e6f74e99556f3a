//! Programs whose every value is known.

#[macro_use]
mod common;
use common::*;

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
