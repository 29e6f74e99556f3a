//! Every row of the table of calls, performed with a known result; and the numbers behind names.

mod common;
use common::*;
use scenario::{Bits, Errno, Signal, Sys, constants};

/// Scenarios that between them make every call; the result stands behind each line.
const TEXTS: &[&str] = &[
    r#"
process pipes
  pipe() = [r, w]
  pipe2(O_NONBLOCK) = [r2, w2]
  pipe_to(0, outside(8)) = -1 EFAULT
  fcntl(r, F_GETPIPE_SZ) = 65536
  fcntl(r, F_SETPIPE_SZ, 5000) = 8192
  write(w, "hello") = 5
  tee(r, w2, 3) = 3
  splice(r, w2, 2) = 2
  read(r2, 9) = "helhe"
  vmsplice(w2, ["ab", "c"*4096]) = 4098
  vmsplice_read(r2, [1, 3]) = "abcc"
  read(r2, 9999) = "c"*4094
  open("file", O_RDWR|O_CREAT, 0o600) = f
  write(f, "0123456789") = 10
  pwrite(f, "xy", 2) = 2
  pread(f, 4, 1) = "1xy4"
  lseek(f, 0, SEEK_SET) = 0
  sendfile(w2, f, 4) = 4
  sendfile_at(w2, f, 6, 3) = 3
  read(r2, 99) = "01xy678"
  lseek(f, 0, SEEK_SET) = 0
  open("other", O_RDWR|O_CREAT, 0o600) = g
  copy_file_range(f, g, 5) = 5
  copy_file_range(r, g, 5) = -1 EINVAL
"#,
    r#"
process vectors
  pipe() = [r, w]
  writev(w, ["ab", "", "cde"]) = 5
  readv(r, [1, 0, 9]) = "abcde"
  writev_n(w, 3) = 3
  readv_n(r, 2) = "vv"
  readv_n(r, 1025) = -1 EINVAL
  readv_n(r, -1) = -1 EINVAL
  writev_n(w, 0) = 0
  writev_n(w, 1024) = 1024
  read(r, 9999) = 1025
  pwritev2(w, ["x", "y"], -1, 0) = 2
  preadv2(r, [1, 1], -1, RWF_NOWAIT) = "xy"
  preadv2(r, [1], -1, RWF_NOWAIT) = -1 EAGAIN
  preadv2(r, [1], 0) = -1 ESPIPE
  read(r, fault(0, 0)) = ""
"#,
    r#"
process descriptors
  pipe() = [r, w]
  dup(r) = 5
  dup2(r, 9) = 9
  dup3(r, 10, O_CLOEXEC) = 10
  fcntl(10, F_GETFD) = FD_CLOEXEC
  fcntl(10, F_SETFD, 0) = 0
  fcntl(10, F_GETFD) = 0
  fcntl(r, F_DUPFD, 20) = 20
  fcntl(r, F_DUPFD_CLOEXEC, 20) = 21
  fcntl(21, F_GETFD) = FD_CLOEXEC
  close_range(20, 30) = 0
  close_range(9, 9, CLOSE_RANGE_CLOEXEC) = 0
  fcntl(9, F_GETFD) = FD_CLOEXEC
  close(20) = -1 EBADF
  fcntl(w, F_GETFL) = O_WRONLY
  fcntl(w, F_SETFL, O_NONBLOCK) = 0
  fcntl(w, F_GETFL) = O_WRONLY|O_NONBLOCK
  fcntl(r, F_GETOWN) = 0
  fcntl(r, F_SETOWN, descriptors) = 0
  fcntl(r, F_GETOWN) = descriptors
  fcntl(r, F_SETSIG, SIGUSR1) = 0
  fcntl_n(r, 9999) = -1 EINVAL
  fcntl(r, F_SETLK, F_RDLCK) = 0
  fcntl(r, F_SETLK, F_WRLCK) = -1 EBADF
  flock(r, LOCK_EX|LOCK_NB) = 0
  write(w, "abc") = 3
  ioctl(r, FIONREAD) = 3
  ioctl(r, FIONREAD_FAULT) = -1 EFAULT
  ioctl(r, FIONBIO, 1) = 0
  fcntl(r, F_GETFL) = O_RDONLY|O_NONBLOCK
  ioctl(r, FIOASYNC, 1) = 0
  fcntl(r, F_GETFL) = O_RDONLY|O_NONBLOCK|O_ASYNC
  ioctl(r, FIOCLEX) = 0
  ioctl(r, FIONCLEX) = 0
  ioctl(r, FIGETBSZ) = 4096
  ioctl_n(r, 12345) = -1 ENOTTY
  isatty(r) = -1 ENOTTY
"#,
    r#"
process files
  pipe() = [r, w]
  lseek(r, 0, SEEK_CUR) = -1 ESPIPE
  ftruncate(w, 0) = -1 EINVAL
  fsync(w) = -1 EINVAL
  fdatasync(w) = -1 EINVAL
  fallocate(w, 0, 1) = -1 ESPIPE
  sync_file_range(w, 0, 1) = -1 ESPIPE
  posix_fadvise(w, 0, 1) = -1 ESPIPE
  mmap(w, PROT_READ, MAP_SHARED) = -1 EACCES
  mmap(r, PROT_READ, MAP_PRIVATE) = -1 ENODEV
  fstat(r) = [S_IFIFO, 0o600, 1, 0, 0, 0, i]
  fstat(w) = [S_IFIFO, 0o600, 1, 0, 0, 0, i]
  fstat_blksize(r) = 4096
  fchmod(r, 0o640) = 0
  fchown(r, 0, 0) = 0
  stat("f") = -1 ENOENT
  mkfifo("f", 0o666) = 0
  stat("f") = [S_IFIFO, 0o644, 1, 0, 0, 0, _]
  open("f", O_RDWR) = f
  fstat_times(f) = [0, 0]
  write(f, "x") = 1
  fstat_times(f) = [0, 1]
  read(f, 1) = "x"
  fstat_times(f) = [1, 0]
  fstat_times(f) = [0, 0]
  setrlimit(RLIMIT_NOFILE, 6) = 0
  dup(r) = -1 EMFILE
"#,
    r#"
process names
  mkdir("d", 0o755) = 0
  open("d", O_RDONLY|O_DIRECTORY) = d
  mkfifoat(d, "f", 0o600) = 0
  mknod("g", 0o600, 5) = 0
  link("d/f", "h") = 0
  rename("h", "k") = 0
  symlink("k", "s") = 0
  stat("s") = [S_IFIFO, 0o600, 2, 0, _, _, _]
  chmod("k", 0o755) = 0
  chown("k", 0, 0) = 0
  truncate("k", 1) = -1 EINVAL
  execve("k") = -1 EACCES
  unlink("g") = 0
  unlink("g") = -1 ENOENT
  umask(0o077) = 0o022
  open("k", O_RDONLY|O_NONBLOCK) = r
  open_fd(r, O_WRONLY) = w
  write(w, "ok") = 2
  open_fd_of(names, r, O_RDONLY|O_NONBLOCK) = r2
  read(r2, 9) = "ok"
  open_fd(99, O_RDONLY) = -1 ENOENT
"#,
    r#"
process credentials
  setgroups() = 0
  setgid(1000) = 0
  seteuid(1000) = 0
  seteuid(0) = 0
  setuid(1000) = 0
  seteuid(0) = -1 EPERM
  mkfifo("mine", 0o600) = 0
  stat("mine") = [S_IFIFO, 0o600, 1, 0, 1000, 1000, _]
"#,
    r#"
process signals
  sigaction(SIGUSR1, record, SA_RESTART) = 0
  sigaction(SIGKILL, SIG_IGN) = -1 EINVAL
  sigprocmask(SIG_BLOCK, [SIGUSR1, SIGRTMIN+3]) = 0
  kill(signals, SIGUSR1) = 0
  tgkill(signals, SIGRTMIN+3) = 0
  sigpending() = [SIGUSR1, SIGRTMIN+3]
  sigprocmask(SIG_UNBLOCK, [SIGUSR1]) = 0
  sigpending() = [SIGRTMIN+3]
  pipe() = [r, w]
  poll([[r, POLLIN], [w, POLLOUT]], 0) = [0, POLLOUT]
  fork child
    exit(44)
  thread helper
    close(99) = -1 EBADF
always handled(signals) == [SIGUSR1]
always exited(child, 44)
"#,
];

#[test]
fn every_call_does_as_told() {
    let mut sandbox = sandbox();
    let mut made = Vec::new();
    for text in TEXTS {
        let program = program(text);
        made.extend(program.tasks.iter().flat_map(|t| &t.body).map(|s| s.sys));
        if text.contains("setuid") && !sandbox.facts().root {
            eprintln!("skipped: not root");
            continue;
        }
        let run = sandbox.lockstep(&program, &[]).unwrap();
        let outcome = run.outcome(&program);
        assert!(
            outcome.failed.is_empty(),
            "{:?}\n{:#?}",
            outcome.failed,
            tell(&program, &run)
        );
        // The same at full speed.
        for (outcome, _) in sandbox.race(&program, 2, real::RaceCpus::All, 3).unwrap() {
            assert!(
                outcome.failed.is_empty(),
                "race: {:?}\n{text}",
                outcome.failed
            );
        }
    }
    // The rest is made by scenario files, which the project's own tests run on the kernel.
    made.extend(made_by_files(
        &std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests"),
    ));
    let missing: Vec<_> = Sys::ALL.iter().filter(|s| !made.contains(s)).collect();
    assert!(missing.is_empty(), "no scenario makes {missing:?}");
}

/// The calls that the scenario files in a folder and below make.
fn made_by_files(dir: &std::path::Path) -> Vec<Sys> {
    let mut made = Vec::new();
    for entry in std::fs::read_dir(dir).expect("the scenarios are part of the project") {
        let path = entry.expect("the folder can be listed").path();
        if path.is_dir() {
            made.extend(made_by_files(&path));
        } else if path.extension().is_some_and(|e| e == "ipc") {
            let text = std::fs::read_to_string(&path).expect("a scenario is text");
            for program in scenario::load("file", &text).expect("a valid scenario") {
                made.extend(program.tasks.iter().flat_map(|t| &t.body).map(|s| s.sys));
            }
        }
    }
    made
}

macro_rules! same_as_libc {
    ($($name:ident)*) => {
        [$((stringify!($name), constants::$name, libc::$name as i64 as u64)),*]
    };
}

#[test]
fn constants_are_those_of_the_system() {
    let pairs = same_as_libc!(
        O_RDONLY O_WRONLY O_RDWR O_ACCMODE O_CREAT O_EXCL O_NOCTTY O_TRUNC O_APPEND O_NONBLOCK
        O_DSYNC O_ASYNC O_DIRECT O_DIRECTORY O_NOFOLLOW O_NOATIME O_CLOEXEC O_SYNC O_PATH O_TMPFILE
        FD_CLOEXEC
        POLLIN POLLPRI POLLOUT POLLERR POLLHUP POLLNVAL POLLRDNORM POLLRDBAND POLLWRNORM
        POLLWRBAND POLLRDHUP
        SPLICE_F_MOVE SPLICE_F_NONBLOCK SPLICE_F_MORE SPLICE_F_GIFT
        RWF_HIPRI RWF_DSYNC RWF_SYNC RWF_NOWAIT RWF_APPEND
        SEEK_SET SEEK_CUR SEEK_END CLOSE_RANGE_UNSHARE CLOSE_RANGE_CLOEXEC
        SIG_BLOCK SIG_UNBLOCK SIG_SETMASK SIG_DFL SIG_IGN
        SA_NOCLDSTOP SA_NOCLDWAIT SA_SIGINFO SA_ONSTACK SA_RESTART SA_NODEFER
        S_IFIFO S_IFCHR S_IFDIR S_IFREG S_IFLNK S_IFSOCK
        PROT_NONE PROT_READ PROT_WRITE PROT_EXEC MAP_SHARED MAP_PRIVATE MAP_ANONYMOUS
        RLIMIT_FSIZE RLIMIT_NOFILE RLIMIT_SIGPENDING RLIMIT_MSGQUEUE
        LOCK_SH LOCK_EX LOCK_NB LOCK_UN F_RDLCK F_WRLCK F_UNLCK
        SI_USER SI_KERNEL
    );
    for (name, ours, theirs) in pairs {
        assert_eq!(ours, theirs, "{name}");
    }
    // Those that are negative ints, or that the library has no name for on 64 bits.
    assert_eq!(
        constants::SA_RESETHAND,
        u64::from(libc::SA_RESETHAND as u32)
    );
    assert_eq!(constants::SI_QUEUE, u64::from(libc::SI_QUEUE as u32));
    assert_eq!(constants::SI_TKILL, u64::from(libc::SI_TKILL as u32));
    assert_eq!(Bits::lookup("O_LARGEFILE"), Some((Bits::Open, 0o100000)));
}

#[test]
fn errnos_are_those_of_the_system() {
    macro_rules! check {
        ($($name:ident)*) => {
            let pairs = [$((Errno::$name, libc::$name)),*];
            for (ours, theirs) in pairs {
                assert_eq!(ours.number(), theirs, "{ours}");
            }
            assert_eq!(pairs.len(), Errno::ALL.len(), "an errno that is not compared");
        };
    }
    check!(
        EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES EFAULT
        EBUSY EEXIST EXDEV ENODEV ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY ETXTBSY EFBIG ENOSPC
        ESPIPE EROFS EMLINK EPIPE EDOM ERANGE EDEADLK ENAMETOOLONG ENOLCK ENOSYS ENOTEMPTY ELOOP
        ENOMSG EIDRM ETIME ENOPKG EPROTO EBADMSG EOVERFLOW ENOTSOCK EDESTADDRREQ EMSGSIZE
        EPROTOTYPE ENOPROTOOPT EPROTONOSUPPORT EOPNOTSUPP EAFNOSUPPORT EADDRINUSE EADDRNOTAVAIL
        ENETUNREACH ECONNABORTED ECONNRESET ENOBUFS EISCONN ENOTCONN ESHUTDOWN ETOOMANYREFS
        ETIMEDOUT ECONNREFUSED EALREADY EINPROGRESS EDQUOT ECANCELED EOWNERDEAD ENOTRECOVERABLE
    );
}

#[test]
fn signals_are_those_of_the_system() {
    macro_rules! check {
        ($($name:ident)*) => {
            let pairs = [$((Signal::$name, libc::$name)),*];
            for (ours, theirs) in pairs {
                assert_eq!(i32::from(ours.0), theirs, "{ours}");
            }
            assert_eq!(pairs.len(), Signal::NAMED.len(), "a signal that is not compared");
        };
    }
    check!(
        SIGHUP SIGINT SIGQUIT SIGILL SIGTRAP SIGABRT SIGBUS SIGFPE SIGKILL SIGUSR1 SIGSEGV SIGUSR2
        SIGPIPE SIGALRM SIGTERM SIGSTKFLT SIGCHLD SIGCONT SIGSTOP SIGTSTP SIGTTIN SIGTTOU SIGURG
        SIGXCPU SIGXFSZ SIGVTALRM SIGPROF SIGWINCH SIGIO SIGPWR SIGSYS
    );
    assert_eq!(
        Signal::from_name("SIGRTMIN").map(|s| i32::from(s.0)),
        Some(libc::SIGRTMIN())
    );
    assert_eq!(
        Signal::from_name("SIGRTMAX").map(|s| i32::from(s.0)),
        Some(libc::SIGRTMAX())
    );
}
