//! Processes and threads: descriptor tables, credentials, `fork`, `exit`.

use super::{Cx, Effect, File, FileKind, Kernel, ObjId, Seen, State, WaitQueue};
use crate::clause::*;
use crate::fingerprint::Shared;
use crate::signal::{Dispositions, SigSet, Timer};
use scenario::{End, Errno, Handled, Signal, TaskId, Value, constants::*};

/// A descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Descriptor {
    /// The description it names.
    pub file: ObjId,
    /// `FD_CLOEXEC`.
    pub cloexec: bool,
}

/// User and group ids. The kernel keeps them for each thread; it is C libraries that change those of
/// all threads together.
#[derive(Default, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Credentials {
    /// Real user id.
    pub uid: u32,
    /// Effective user id, also the file-system user id.
    pub euid: u32,
    /// Effective group id, also the file-system group id.
    pub gid: u32,
}

impl Credentials {
    /// Whether it passes permission tests regardless of the mode.
    pub fn privileged(self) -> bool {
        self.euid == 0
    }
}

/// A change of a process that it lived through, which nobody has waited for yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Report {
    /// This signal stopped it.
    Stopped(Signal),
    /// It was continued.
    Continued,
}

/// A process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Process {
    /// The process that made it.
    pub parent: Option<TaskId>,
    /// The thread whose child it is: the one that made it, or an heir; none for those of the setup
    /// process, which waits for nobody.
    pub forker: Option<TaskId>,
    /// What it has to report to who waits, beside its end.
    pub report: Option<Report>,
    /// Its tasks that wait for children.
    pub child_waiters: WaitQueue,
    /// So many programs it has executed since it was made.
    pub programs: u16,
    /// It takes in descendants whose parent ends.
    pub subreaper: bool,
    /// It has ended and closed all it had open, and its parent is not told yet.
    pub leaving: bool,
    /// It was waited for, or nobody will.
    pub reaped: bool,
    /// Its process group, by the process that began it.
    pub group: TaskId,
    /// Its session, by the process that began it.
    pub session: TaskId,
    /// Its controlling terminal.
    pub terminal: Option<ObjId>,
    /// The foreground group of a terminal that was hung up under this leader of a session.
    pub old_foreground: Option<TaskId>,
    /// Its descriptors, by number.
    pub fds: Vec<Option<Descriptor>>,
    /// Numbers that sleeping opens have reserved.
    pub reserved: Vec<usize>,
    /// Numbers below this can be allocated (soft `RLIMIT_NOFILE`).
    pub fd_limit: usize,
    /// What its user's message queues may be charged in sum (soft `RLIMIT_MSGQUEUE`).
    pub queue_limit: u64,
    /// Its file mode mask.
    pub umask: u32,
    /// Its working directory.
    pub cwd: ObjId,
    /// What it does with each signal.
    pub dispositions: Dispositions,
    /// Signals sent to the process.
    pub pending: Vec<Handled>,
    /// How many records of signals its user may have when it takes one more (soft `RLIMIT_SIGPENDING`).
    pub signal_limit: u64,
    /// It has ended, and so many records of its signals still count.
    pub records_left: u64,
    /// Its interval timer, if it runs.
    pub timer: Option<Timer>,
    /// Its tasks that wait for signals at a `signalfd`.
    pub signal_readers: WaitQueue,
    /// This signal ends it; its threads have yet to notice.
    pub exiting: Option<Signal>,
    /// The signal that stopped it last.
    pub stop_signal: Option<Signal>,
    /// It was continued, and its parent has yet to be told.
    pub continued: bool,
    /// It ended so.
    pub ended: Option<End>,
}

/// The soft limit on descriptor numbers that every run starts with.
pub const FD_LIMIT: usize = 256;

impl Process {
    /// The setup process.
    pub fn first(root: ObjId) -> Process {
        Process {
            parent: None,
            forker: None,
            report: None,
            child_waiters: WaitQueue::default(),
            programs: 0,
            subreaper: false,
            leaving: false,
            reaped: false,
            group: TaskId::SETUP,
            session: TaskId::SETUP,
            terminal: None,
            old_foreground: None,
            fds: Vec::new(),
            reserved: Vec::new(),
            fd_limit: FD_LIMIT,
            queue_limit: crate::posix_mq::CHARGE_LIMIT,
            umask: 0o022,
            cwd: root,
            dispositions: Dispositions::default(),
            pending: Vec::new(),
            signal_limit: crate::signal::PENDING_LIMIT,
            records_left: 0,
            timer: None,
            signal_readers: WaitQueue::default(),
            exiting: None,
            stop_signal: None,
            continued: false,
            ended: None,
        }
    }

    /// The lowest free number not below `least`.
    pub fn free_fd(&self, least: usize) -> Option<usize> {
        (least..self.fd_limit)
            .find(|n| self.fds.get(*n).is_none_or(|d| d.is_none()) && !self.reserved.contains(n))
    }
}

impl Kernel {
    /// The process of a task.
    pub fn process_of(&self, task: TaskId) -> &Process {
        self.process(self.task(task).process)
    }

    /// A process, by its first task.
    pub fn process(&self, leader: TaskId) -> &Process {
        self.processes[leader.index()]
            .as_deref()
            .expect("a started task has a process")
    }

    /// The process of a task, to change.
    pub fn process_mut(&mut self, task: TaskId) -> &mut Process {
        let leader = self.task(task).process;
        let process = self.processes[leader.index()].as_mut();
        process.expect("a started task has a process").make_mut()
    }

    /// The tasks of a process that have not ended.
    pub fn threads_of(&self, leader: TaskId) -> Vec<TaskId> {
        (0..self.tasks.len() as u16)
            .map(TaskId)
            .filter(|&t| {
                let task = self.task(t);
                task.process == leader && !matches!(task.state, State::NotStarted | State::Ended(_))
            })
            .collect()
    }

    pub(super) fn open_standard_descriptors(&mut self) {
        let id = self.new_id(TaskId::SETUP);
        let mut file = File::new(FileKind::Null, O_RDWR);
        file.descriptors = 3;
        self.files.insert(id, file);
        self.process_mut(TaskId::SETUP).fds = vec![
            Some(Descriptor {
                file: id,
                cloexec: false
            });
            3
        ];
    }

    /// Makes a descriptor for a description, at the lowest free number not below `least`.
    ///
    /// # Errors
    /// EMFILE when no number is free below the limit.
    pub fn install(
        &mut self,
        task: TaskId,
        file: ObjId,
        cloexec: bool,
        least: usize,
        cx: &mut Cx,
    ) -> Result<usize, Errno> {
        let fd = self.process_of(task).free_fd(least).ok_or(Errno::EMFILE)?;
        cx.cite(FD_001);
        self.install_at(task, file, cloexec, fd);
        Ok(fd)
    }

    /// Opens something new for both directions, which `make` makes, on the lowest free number. `status`
    /// is its status flags beside the access mode.
    ///
    /// # Errors
    /// EMFILE when no number is free below the limit; then nothing is made.
    pub(crate) fn open_new(
        &mut self,
        task: TaskId,
        status: u64,
        cloexec: bool,
        make: impl FnOnce(&mut Kernel) -> FileKind,
    ) -> Result<Value, Errno> {
        let fd = self.process_of(task).free_fd(0).ok_or(Errno::EMFILE)?;
        let kind = make(self);
        let file = self.new_id(task);
        self.files.insert(file, File::new(kind, O_RDWR | status));
        self.install_at(task, file, cloexec, fd);
        Ok(Value::Int(fd as i64))
    }

    /// Makes a descriptor at a number that is free.
    pub fn install_at(&mut self, task: TaskId, file: ObjId, cloexec: bool, fd: usize) {
        self.files.get_mut(file).descriptors += 1;
        let fds = &mut self.process_mut(task).fds;
        if fds.len() <= fd {
            fds.resize(fd + 1, None);
        }
        fds[fd] = Some(Descriptor { file, cloexec });
    }

    /// Closes a descriptor.
    ///
    /// # Errors
    /// EBADF if it is not open.
    pub fn close_fd(&mut self, task: TaskId, fd: usize, cx: &mut Cx) -> Result<(), Errno> {
        let slot = self
            .process_mut(task)
            .fds
            .get_mut(fd)
            .and_then(Option::take);
        let fds = &mut self.process_mut(task).fds;
        while fds.last().is_some_and(Option::is_none) {
            fds.pop();
        }
        let descriptor = slot.ok_or(Errno::EBADF)?;
        self.flush_queue(task, descriptor.file, cx);
        self.drop_descriptor(descriptor.file, cx);
        Ok(())
    }

    /// Closes all descriptors of a process.
    pub fn close_all(&mut self, task: TaskId, cx: &mut Cx) {
        let fds = std::mem::take(&mut self.process_mut(task).fds);
        for descriptor in fds.into_iter().flatten() {
            self.flush_queue(task, descriptor.file, cx);
            self.drop_descriptor(descriptor.file, cx);
        }
    }

    /// `fork`: the task `child` becomes the first task of a new process, a copy of `task`'s.
    pub fn fork(&mut self, task: TaskId, child: TaskId, cx: &mut Cx) {
        cx.cite(FD_020);
        let mut process = self.process_of(task).clone();
        let mask = self.task(task).mask;
        if mask != SigSet::default() || process.dispositions != Dispositions::default() {
            cx.cite(SIG_149);
        }
        if self.threads_of(self.task(task).process).len() > 1 {
            cx.cite(SIG_150);
        }
        process.parent = Some(self.task(task).process);
        process.forker = (task != TaskId::SETUP).then_some(task);
        process.report = None;
        process.old_foreground = None;
        process.child_waiters = WaitQueue::default();
        (process.subreaper, process.continued, process.programs) = (false, false, 0);
        if task != TaskId::SETUP {
            self.task_mut(task).children.push(child);
        }
        process.pending.clear();
        process.timer = None;
        process.signal_readers = WaitQueue::default();
        process.exiting = None;
        process.stop_signal = None;
        process.reserved.clear();
        for descriptor in process.fds.iter().flatten() {
            self.files.get_mut(descriptor.file).descriptors += 1;
        }
        self.processes[child.index()] = Some(Shared::new(process));
        let parent = self.task(task);
        let (mask, credentials, nice) = (parent.mask, parent.credentials, parent.nice);
        if nice != 0 {
            cx.cite(NICE_002);
        }
        let new = self.task_mut(child);
        new.process = child;
        new.nice = nice;
        new.mask = mask;
        new.credentials = credentials;
        new.state = State::Idle;
    }

    /// Starts the task `thread` as a thread of `task`'s process.
    pub fn start_thread(&mut self, task: TaskId, thread: TaskId, cx: &mut Cx) {
        cx.cite(FD_009);
        let starter = self.task(task);
        let (process, mask, credentials) = (starter.process, starter.mask, starter.credentials);
        let nice = starter.nice;
        if nice != 0 {
            cx.cite(NICE_002);
        }
        let new = self.task_mut(thread);
        new.process = process;
        new.nice = nice;
        new.mask = mask;
        new.credentials = credentials;
        new.state = State::Idle;
    }

    /// `exit`: of a process by its first task, of a thread alone by another (the programs of
    /// scenarios write both so).
    pub fn exit(&mut self, task: TaskId, status: u8, cx: &mut Cx) {
        let leader = self.task(task).process;
        if task == leader || self.threads_of(leader) == [task] {
            self.end_process(leader, End::Exited(status), cx);
        } else {
            self.end_task(task, End::Exited(status), cx);
            self.hand_children_on(task);
            self.retarget(task, SigSet(u64::MAX));
        }
    }

    fn end_task(&mut self, task: TaskId, end: End, cx: &mut Cx) {
        self.task_mut(task).state = State::Ended(end);
        self.clear_timeout(task);
        self.task_mut(task).pending.clear();
        cx.effects.push(Effect {
            task,
            what: Seen::End(end),
        });
    }

    /// A process ends: its sleeping calls are given up, its descriptors closed.
    pub fn end_process(&mut self, leader: TaskId, end: End, cx: &mut Cx) {
        for task in self.threads_of(leader) {
            let state = std::mem::replace(&mut self.task_mut(task).state, State::Idle);
            // Ended before its call is given up, so that nothing wakes it meanwhile.
            self.end_task(task, end, cx);
            if let State::Sleeping { op, .. } = state {
                super::call::abandon(self, task, op, cx);
            }
        }
        self.process_mut(leader).ended = Some(end);
        self.leave_records(leader);
        self.process_mut(leader).timer = None;
        if self.process_of(leader).fds.iter().flatten().count() > 0 {
            cx.cite(FD_022);
        }
        self.close_all(leader, cx);
        self.leave_terminal(leader, cx);
        // Who waits may see its descriptors closed before it is there to be waited for.
        match self.waits {
            true => self.process_mut(leader).leaving = true,
            false => self.leave(leader, cx),
        }
    }
}
