//! Small programs on pipes, FIFOs and signals, each about one thing that threads can get wrong.

/// The order of bytes stays, where one write ended does not.
pub const BOUNDARIES: &str = r#"
test model/boundaries
"Two writes, two reads."
setup
  pipe() = [r, w]
process writer
  write(w, "ab") = 2
  write(w, "c") = 1
process reader
  close(w)
  read(r, 8) = a
  read(r, 8) = b
sometimes a == "abc" and b == ""
sometimes a == "ab" and b == "c"
"#;

/// Writes of two tasks, read as one.
pub const TWO_WRITERS: &str = r#"
test model/two-writers
"Whole writes, in either order."
setup
  pipe() = [r, w]
process one
  write(w, "a") = 1
process two
  write(w, "b") = 1
process reader
  read(r, 2) = a
sometimes a == "a"
sometimes a == "ab"
"#;

/// Two readers asleep, one byte: one of them sleeps on.
pub const TWO_READERS: &str = r#"
test model/two-readers
"One byte wakes one reader."
setup
  pipe() = [r, w]
process one
  read(r, 1) = a
process two
  read(r, 1) = b
process writer
  write(w, "x") = 1
sometimes a == "x"
sometimes b == "x"
"#;

/// The last writer's end wakes every reader.
pub const LAST_CLOSE: &str = r#"
test model/last-close
"End of file reaches two sleeping readers."
setup
  pipe() = [r, w]
process one
  close(w)
  read(r, 1) = a
process two
  close(w)
  read(r, 1) = b
process writer
  close(w)
always a == "" and b == ""
"#;

/// A writer without readers.
pub const BROKEN: &str = r#"
test model/broken
"The reader goes while the writer writes."
setup
  pipe() = [r, w]
process writer
  close(r)
  write(w, "x") = a
process reader
  close(w)
  close(r)
sometimes killed(writer, SIGPIPE)
sometimes a == 1
"#;

/// A writer sleeps for room.
pub const FULL: &str = r#"
test model/full
"A write sleeps until a slot is free, then goes on."
setup
  pipe() = [r, w]
  fcntl(w, F_SETPIPE_SZ, 4096) = 4096
process writer
  write(w, "a"*4096 + "b") = 4097
process reader
  read(r, 4096) = a
  read(r, 4096) = b
always a == "a"*4096 and b == "b"
"#;

/// Blocked for ever is an outcome.
pub const STUCK: &str = r#"
test model/stuck
"Each waits for the other."
setup
  pipe() = [r, w]
  pipe() = [s, v]
process one
  read(r, 1) = a
  write(v, "x") = 1
process two
  read(s, 1) = b
  write(w, "y") = 1
always blocked(one) and blocked(two)
"#;

/// Without sleeping.
pub const NONBLOCKING: &str = r#"
test model/nonblocking
"It sees the byte or it does not."
setup
  pipe2(O_NONBLOCK) = [r, w]
process writer
  write(w, "x") = 1
process reader
  read(r, 1) = a
sometimes a == "x"
sometimes a == -1 EAGAIN
"#;

/// A child is one more thread.
pub const FORK: &str = r#"
test model/fork
"Parent and child write."
setup
  pipe() = [r, w]
process parent
  fork child
    write(w, "c") = 1
  write(w, "p") = 1
process reader
  read(r, 2) = a
sometimes a == "c"
sometimes a == "cp"
"#;

/// A thread shares the descriptors of its process.
pub const THREAD: &str = r#"
test model/thread
"One thread closes what the other reads."
setup
  pipe() = [r, w]
process two
  thread closer
    close(r) = 0
  read(r, 1) = a
process writer
  write(w, "x") = 1
sometimes a == "x"
sometimes a == -1 EBADF
"#;

/// Openers wait for each other.
pub const RENDEZVOUS: &str = r#"
test model/rendezvous
"A reader and a writer open a FIFO."
setup
  mkfifo("f", 0o600) = 0
process reader
  open("f", O_RDONLY) = r
  read(r, 8) = a
process writer
  open("f", O_WRONLY) = w
  write(w, "x") = 1
always a == "x"
"#;

/// A partner that came and went is noticed.
pub const OPEN_MEETS_CLOSE: &str = r#"
test model/open-meets-close
"The writer is gone before the reader wakes."
setup
  mkfifo("f", 0o600) = 0
process reader
  open("f", O_RDONLY) = r
  read(r, 8) = a
process writer
  open("f", O_WRONLY) = w
  close(w) = 0
always a == ""
"#;

/// A signal reaches a task between or within its calls.
pub const KILL_RUNNING: &str = r#"
test model/kill-running
"The victim writes before it dies, or does not."
setup
  pipe2(O_NONBLOCK) = [r, w]
process killer
  kill(victim, SIGTERM) = 0
  read(r, 1) = a
process victim
  write(w, "x") = b
  write(w, "y") = c
sometimes a == -1 EAGAIN
sometimes a == "x"
sometimes killed(victim, SIGTERM)
"#;

/// A signal ends a sleep.
pub const KILL_SLEEPING: &str = r#"
test model/kill-sleeping
"A task dies in its sleep, and its end of the pipe with it."
setup
  pipe() = [r, w]
  pipe() = [s, v]
process victim
  read(r, 1) = a
process killer
  close(v)
  kill(victim, SIGKILL) = 0
  read(s, 1) = b
always killed(victim, SIGKILL) and b == ""
"#;

/// A handler interrupts a sleep, or comes before it.
pub const HANDLER: &str = r#"
test model/handler
"EINTR only if the signal finds it asleep or about to sleep."
setup
  pipe() = [r, w]
  sigaction(SIGUSR1, record) = 0
process victim
  read(r, 1) = a
process killer
  kill(victim, SIGUSR1) = 0
sometimes a == -1 EINTR
sometimes blocked(victim)
always handled(victim) == [SIGUSR1]
"#;

/// Standard signals do not queue.
pub const TWO_SIGNALS: &str = r#"
test model/two-signals
"Sent twice, handled once or twice."
setup
  sigaction(SIGUSR1, record) = 0
process victim
  sigpending() = []
process killer
  kill(victim, SIGUSR1) = a
  kill(victim, SIGUSR1) = b
sometimes handled(victim) == [SIGUSR1]
sometimes handled(victim) == [SIGUSR1, SIGUSR1]
"#;

/// Stopped and continued.
pub const STOPPED: &str = r#"
test model/stopped
"A stopped task goes on when it is continued."
setup
  pipe() = [r, w]
process victim
  read(r, 1) = a
process killer
  kill(victim, SIGSTOP) = 0
  write(w, "x") = 1
  kill(victim, SIGCONT) = 0
sometimes a == "x"
"#;

/// Nothing to interleave.
pub const ALONE: &str = r#"
test model/alone
"A task that reads what it wrote."
setup
  pipe() = [r, w]
process one
  write(w, "x") = 1
  read(r, 1) = a
always a == "x"
"#;

/// More threads than loom has.
pub const SIX: &str = r#"
test model/six
"Five writers, one reader."
setup
  pipe() = [r, w]
process one
  write(w, "1") = 1
process two
  write(w, "2") = 1
process three
  write(w, "3") = 1
process four
  write(w, "4") = 1
process five
  write(w, "5") = 1
process reader
  read(r, 1) = a
sometimes a == "5"
"#;

/// As many tasks as loom has threads, and a signal.
pub const FIVE_AND_A_SIGNAL: &str = r#"
test model/five-and-a-signal
"One of four that end is killed."
setup
  pipe() = [r, w]
process one
  close(r) = 0
process two
  close(r) = 0
process three
  close(r) = 0
process four
  close(r) = 0
process killer
  kill(one, SIGTERM) = 0
sometimes killed(one, SIGTERM)
"#;

/// A setup that cannot be run.
pub const BLOCKS_IN_SETUP: &str = r#"
test model/blocks-in-setup
"Nobody is there to write."
setup
  pipe() = [r, w]
  read(r, 1) = a
process one
  close(r) = 0
always a == ""
"#;

/// Nobody else wakes the reader: it keeps the pipe open for writing itself.
pub const ONE_BYTE: &str = r#"
test model/one-byte
"The byte comes before the reader looks, or while it sleeps, or in between."
setup
  pipe() = [r, w]
process reader
  read(r, 1) = a
process writer
  write(w, "x") = 1
always a == "x"
"#;

/// One write for two readers: the first passes the wake-up on.
pub const PASSED_ON: &str = r#"
test model/passed-on
"Two bytes, two readers, one wake-up."
setup
  pipe() = [r, w]
process one
  read(r, 1) = a
process two
  read(r, 1) = b
process writer
  write(w, "xx") = 2
always a == "x" and b == "x"
"#;

/// One read makes room for two writers: the first passes the wake-up on.
pub const ROOM_PASSED_ON: &str = r#"
test model/room-passed-on
"Two slots get free in one read, and two writers sleep for them."
setup
  pipe() = [r, w]
  fcntl(w, F_SETPIPE_SZ, 8192) = 8192
  write(w, "a"*8192) = 8192
process one
  write(w, "b"*4096) = 4096
process two
  write(w, "c"*4096) = 4096
process reader
  read(r, 8192) = a
always len(a) == 8192
"#;

/// Room is room, though the pipe is not empty.
pub const ROOM_BEFORE_EMPTY: &str = r#"
test model/room-before-empty
"One slot of two gets free."
setup
  pipe() = [r, w]
  fcntl(w, F_SETPIPE_SZ, 8192) = 8192
  write(w, "a"*8192) = 8192
process writer
  write(w, "b"*4096) = 4096
process reader
  read(r, 4096) = a
always len(a) == 4096
"#;

/// Two readers open, one writer comes.
pub const TWO_OPENERS: &str = r#"
test model/two-openers
"A writer's open releases every reader that waits."
setup
  mkfifo("f", 0o600) = 0
process one
  open("f", O_RDONLY) = r
process two
  open("f", O_RDONLY) = s
process writer
  open("f", O_WRONLY) = w
  close(w) = 0
sometimes not blocked(one)
"#;

/// A handler with SA_RESTART: the call starts over.
pub const RESTARTS: &str = r#"
test model/restarts
"The signal is handled, and the byte is read."
setup
  pipe() = [r, w]
  sigaction(SIGUSR1, record, SA_RESTART) = 0
process victim
  read(r, 1) = a
process killer
  kill(victim, SIGUSR1) = 0
  write(w, "x") = 1
always a == "x" and handled(victim) == [SIGUSR1]
"#;

/// A signal must not take a wake-up with it.
pub const ONE_IS_DISTURBED: &str = r#"
test model/one-is-disturbed
"Of two readers one leaves for a signal; the byte is for the other then."
setup
  pipe() = [r, w]
  sigaction(SIGUSR1, record) = 0
process one
  read(r, 1) = a
process two
  read(r, 1) = b
process writer
  kill(one, SIGUSR1) = 0
  write(w, "x") = 1
always a == "x" or b == "x"
sometimes a == -1 EINTR and b == "x"
sometimes a == "x"
"#;

/// A signal ends an open that waits.
pub const OPENER_DISTURBED: &str = r#"
test model/opener-disturbed
"The reader leaves before the writer comes, or after, or not at all."
setup
  mkfifo("f", 0o600) = 0
  sigaction(SIGUSR1, record) = 0
process reader
  open("f", O_RDONLY) = r
process writer
  kill(reader, SIGUSR1) = 0
  open("f", O_WRONLY|O_NONBLOCK) = w
sometimes r == -1 EINTR and w == -1 ENXIO
sometimes r == 3 and w == 3
"#;
