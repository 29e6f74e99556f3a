//! `epoll`: a set of descriptors watched by callbacks, and the list of those that became ready.
//!
//! As on Linux an entry stands in the wait queues of what it watches. A wake-up there does not wake
//! a task but runs the entry's callback: the entry joins the *ready list* of its instance, and the
//! instance wakes who waits for it. What is on the list is looked at anew when it is fetched; a
//! level-triggered entry that was delivered goes back to the tail of the list.
//!
//! ```text
//! write ── wakes ── pipe's readers: [ entry of epoll 5 ]
//!                                     └ ready list of epoll 5: [ … , entry ] ── wakes ── epoll_wait
//! ```

use crate::clause::*;
use crate::kernel::{
    Cx, FileKind, How, Invocation, Kernel, ObjId, Op, Progress, Restart, WaitQueue, Who,
};
use crate::poll;
use scenario::{Bits, Errno, Fault, Sys, TaskId, Value, constants::*};

/// An instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Epoll {
    /// What it watches, in the order in which it was added.
    entries: Vec<Entry>,
    /// Those that became ready, first come first served.
    ready: Vec<Key>,
    /// Tasks in `epoll_wait`.
    pub(crate) waiters: WaitQueue,
    /// Who watches the instance itself.
    pub(crate) pollers: WaitQueue,
}

/// What names an entry: a description, and the number by which it was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    file: ObjId,
    fd: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Entry {
    key: Key,
    /// The events asked for, with how: EPOLLET, EPOLLONESHOT, EPOLLEXCLUSIVE.
    events: u64,
    data: i64,
}

/// A wait in progress.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EpollOp {
    file: ObjId,
    epoll: ObjId,
    most: usize,
    /// The buffer takes no more than so many events.
    room: usize,
}

/// Not events, but how an entry is told of them.
const HOW: u64 = EPOLLET | EPOLLONESHOT | EPOLLEXCLUSIVE | EPOLLWAKEUP;
/// The most events that `epoll_wait` may be asked for: `INT_MAX` bytes of `struct epoll_event`.
const MOST_EVENTS: i64 = i32::MAX as i64 / 12;
/// So many instances may watch each other in a chain.
const DEEPEST: usize = 5;

impl Epoll {
    fn entry(&self, key: Key) -> Option<&Entry> {
        self.entries.iter().find(|e| e.key == key)
    }

    fn entry_mut(&mut self, key: Key) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|e| e.key == key)
    }

    /// Whether something stands on the ready list.
    pub(crate) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    fn list(&mut self, key: Key) {
        if !self.ready.contains(&key) {
            self.ready.push(key);
        }
    }
}

/// `epoll_create` and `epoll_create1`.
///
/// # Errors
/// EINVAL for a size that is not positive or unknown flags, EMFILE.
pub(crate) fn create(
    k: &mut Kernel,
    task: TaskId,
    call: &Invocation,
    cx: &mut Cx,
) -> Result<Value, Errno> {
    cx.cite(READY_037);
    let wrong = match call.sys {
        Sys::EpollCreate => call.int(0) <= 0,
        _ => call.bits(0) & !EPOLL_CLOEXEC != 0,
    };
    if wrong {
        return Err(Errno::EINVAL);
    }
    let cloexec = call.sys == Sys::EpollCreate1 && call.bits(0) != 0;
    k.open_new(task, 0, cloexec, |k| {
        let epoll = k.new_id(task);
        k.epolls.insert(epoll, Epoll::default());
        FileKind::Epoll(epoll)
    })
}

/// `epoll_ctl`: the tests come in this order.
///
/// # Errors
/// EFAULT, EBADF, EPERM, EINVAL, EEXIST, ENOENT, ELOOP.
pub(crate) fn control(
    k: &mut Kernel,
    task: TaskId,
    call: &Invocation,
    cx: &mut Cx,
) -> Result<Value, Errno> {
    let (op, fd) = (call.bits(1), call.int(2));
    let (mut events, data) = match call.sys {
        Sys::EpollCtl => (call.bits(3), call.int(4)),
        _ => {
            cx.cite(READY_039);
            if op != EPOLL_CTL_DEL {
                return Err(Errno::EFAULT);
            }
            (0, 0)
        }
    };
    let (instance, file) = (k.file_of(task, call.int(0)), k.file_of(task, fd));
    if instance.is_err() || file.is_err() {
        cx.cite(READY_040);
        if op == EPOLL_CTL_DEL {
            cx.cite(READY_045);
        }
    }
    if instance.is_ok_and(|f| k.files.get(f).descriptors > 1) {
        cx.cite(READY_047);
    }
    let (instance, file) = (instance?, file?);
    match k.files.get(file).kind {
        FileKind::Regular(_) | FileKind::Directory(_) | FileKind::Null => {
            cx.cite(READY_040);
            return Err(Errno::EPERM);
        }
        FileKind::Path(_) => {
            cx.cite(READY_040);
            return Err(Errno::EBADF);
        }
        _ => {}
    }
    let FileKind::Epoll(epoll) = k.files.get(instance).kind else {
        cx.cite(READY_040);
        return Err(Errno::EINVAL);
    };
    if file == instance {
        cx.cite(READY_040);
        return Err(Errno::EINVAL);
    }
    let inner = match k.files.get(file).kind {
        FileKind::Epoll(inner) => Some(inner),
        _ => None,
    };
    let key = Key { file, fd };
    let known = k.epolls.get(epoll).entry(key).copied();
    if op != EPOLL_CTL_DEL && events & EPOLLEXCLUSIVE != 0 {
        cx.cite(READY_056);
        let allowed =
            EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE;
        let wrong = op == EPOLL_CTL_MOD || inner.is_some() || events & !allowed != 0;
        if wrong {
            return Err(Errno::EINVAL);
        }
    }
    if let (EPOLL_CTL_ADD, Some(inner)) = (op, inner) {
        cx.cite(READY_041);
        let (below, above) = (depth_below(k, inner), depth_above(k, epoll));
        if inner == epoll || reaches(k, inner, epoll) || below + above > DEEPEST {
            return Err(Errno::ELOOP);
        }
    }
    // Hangups and errors are always told.
    events |= EPOLLERR | EPOLLHUP;
    match op {
        EPOLL_CTL_ADD => {
            cx.cite(READY_038);
            if known.is_some() {
                return Err(Errno::EEXIST);
            }
            k.epolls
                .get_mut(epoll)
                .entries
                .push(Entry { key, events, data });
            k.watch_entry(task, epoll, key, events, cx);
            k.look_at_entry(task, epoll, key, cx);
        }
        EPOLL_CTL_DEL => {
            cx.cite(READY_039);
            if k.epolls
                .get(epoll)
                .entries
                .iter()
                .any(|e| e.key.file == file)
            {
                cx.cite(READY_045);
            }
            known.ok_or(Errno::ENOENT)?;
            k.forget_entry(epoll, key);
        }
        EPOLL_CTL_MOD => {
            cx.cite(READY_039);
            let known = known.ok_or(Errno::ENOENT)?;
            if known.events & EPOLLEXCLUSIVE != 0 {
                cx.cite(READY_056);
                return Err(Errno::EINVAL);
            }
            if let Some(entry) = k.epolls.get_mut(epoll).entry_mut(key) {
                (entry.events, entry.data) = (events, data);
            }
            k.watch_entry(task, epoll, key, events, cx);
            k.look_at_entry(task, epoll, key, cx);
        }
        _ => {
            cx.cite(READY_039);
            return Err(Errno::EINVAL);
        }
    }
    Ok(Value::ZERO)
}

/// The instances that an instance watches.
fn watched(k: &Kernel, epoll: ObjId) -> impl Iterator<Item = ObjId> + '_ {
    let entries = k.epolls.get(epoll).entries.iter();
    entries.filter_map(|e| match k.files.get(e.key.file).kind {
        FileKind::Epoll(inner) => Some(inner),
        _ => None,
    })
}

/// Whether one instance watches another, perhaps through others.
fn reaches(k: &Kernel, from: ObjId, to: ObjId) -> bool {
    watched(k, from).any(|inner| inner == to || reaches(k, inner, to))
}

/// The instances in the longest chain from this one on downwards.
fn depth_below(k: &Kernel, epoll: ObjId) -> usize {
    1 + watched(k, epoll)
        .map(|inner| depth_below(k, inner))
        .max()
        .unwrap_or(0)
}

/// The same upwards.
fn depth_above(k: &Kernel, epoll: ObjId) -> usize {
    let watchers = k.epolls.iter().map(|(outer, _)| outer);
    1 + watchers
        .filter(|outer| watched(k, *outer).any(|inner| inner == epoll))
        .map(|outer| depth_above(k, outer))
        .max()
        .unwrap_or(0)
}

impl Kernel {
    /// The entry stands in the queues of what it watches.
    fn watch_entry(&mut self, task: TaskId, epoll: ObjId, key: Key, events: u64, cx: &mut Cx) {
        self.mark_polled(key.file);
        if let FileKind::Signals(_) = self.files.get(key.file).kind {
            cx.cite(SIG_102);
        }
        for (queue, _) in self.queues_of(task, key.file) {
            let who = Who::Entry(epoll, key);
            let queue = self.queue_mut(queue);
            let how = match events & EPOLLEXCLUSIVE {
                0 => How::Watching { asks: events },
                _ => How::Alone,
            };
            // It keeps its place, whatever it asks for now.
            queue.enter(who, how);
        }
    }

    /// An entry was added or changed: it is ready at once if its events hold.
    fn look_at_entry(&mut self, task: TaskId, epoll: ObjId, key: Key, cx: &mut Cx) {
        let Some(entry) = self.epolls.get(epoll).entry(key).copied() else {
            return;
        };
        if poll::readiness_now(self, task, key.file, cx) & entry.events & !HOW == 0 {
            return;
        }
        if entry.events & EPOLLET != 0 {
            cx.cite(READY_058);
        }
        if !self.epolls.get(epoll).waiters.waiters().is_empty() {
            cx.cite(READY_052);
        }
        self.epolls.get_mut(epoll).list(key);
        self.tell_epoll(epoll, cx);
    }

    /// Wakes who waits for an instance, and who watches it: an instance can only become readable,
    /// whatever happened below.
    fn tell_epoll(&mut self, epoll: ObjId, cx: &mut Cx) {
        self.wake_queue(|k| &mut k.epolls.get_mut(epoll).waiters, true, 0, cx);
        self.wake_queue(|k| &mut k.epolls.get_mut(epoll).pollers, true, EPOLLIN, cx);
    }

    /// The callback: something woke the queue that an entry stands in. Tells whether that counts as
    /// the one exclusive waiter.
    pub(crate) fn entry_is_woken(
        &mut self,
        epoll: ObjId,
        key: Key,
        told: u64,
        cx: &mut Cx,
    ) -> bool {
        let Some(entry) = self.epolls.get(epoll).entry(key).copied() else {
            return false;
        };
        // A one-shot entry that was delivered is silent.
        let asked = entry.events & !HOW;
        if asked == 0 {
            cx.cite(READY_068);
            return false;
        }
        if told != 0 && told & asked == 0 {
            return false;
        }
        if let (true, FileKind::Queue(_)) =
            (entry.events & EPOLLET != 0, self.files.get(key.file).kind)
        {
            cx.cite(MQ_096);
        } else if entry.events & EPOLLET != 0 {
            let pipe = self.files.get(key.file).pipe();
            cx.cite(match pipe.map(|p| self.pipes.get(p)) {
                _ if told & EPOLLIN != 0 => READY_059,
                Some(p) if told == 0 && (p.readers == 0 || p.writers == 0) => READY_065,
                Some(_) if told == 0 => READY_066,
                _ => READY_063,
            });
        }
        let sleeps = !self.epolls.get(epoll).waiters.waiters().is_empty();
        self.epolls.get_mut(epoll).list(key);
        self.tell_epoll(epoll, cx);
        if entry.events & EPOLLEXCLUSIVE == 0 {
            return true;
        }
        cx.cite(READY_055);
        sleeps
            && match told & (EPOLLIN | EPOLLOUT) {
                EPOLLIN => asked & EPOLLIN != 0,
                EPOLLOUT => asked & EPOLLOUT != 0,
                0 => true,
                _ => false,
            }
    }

    /// Takes an entry out.
    fn forget_entry(&mut self, epoll: ObjId, key: Key) {
        let instance = self.epolls.get_mut(epoll);
        instance.entries.retain(|e| e.key != key);
        instance.ready.retain(|k| *k != key);
        let who = Who::Entry(epoll, key);
        for queue in self.all_queues_of(key.file) {
            self.queue_mut(queue).withdraw(who);
        }
    }

    /// A description is gone, and all entries with it.
    pub(crate) fn forget_watched(&mut self, file: ObjId, cx: &mut Cx) {
        let epolls: Vec<ObjId> = self.epolls.iter().map(|(id, _)| id).collect();
        for epoll in epolls {
            let entries = &self.epolls.get(epoll).entries;
            let keys: Vec<Key> = entries.iter().map(|e| e.key).collect();
            for key in keys.into_iter().filter(|key| key.file == file) {
                cx.cite(READY_044);
                cx.cite(READY_046);
                self.forget_entry(epoll, key);
            }
        }
    }

    /// An instance is gone.
    pub(crate) fn drop_epoll(&mut self, epoll: ObjId) {
        let entries = &self.epolls.get(epoll).entries;
        let keys: Vec<Key> = entries.iter().map(|e| e.key).collect();
        for key in keys {
            self.forget_entry(epoll, key);
        }
        self.epolls.remove(epoll);
    }

    /// Takes off an instance's ready list what is not ready for this task, up to the first that is;
    /// tells whether there is one. That is how an instance is looked at which is itself watched.
    pub(crate) fn epoll_is_ready(&mut self, task: TaskId, epoll: ObjId, cx: &mut Cx) -> bool {
        while let Some(&key) = self.epolls.get(epoll).ready.first() {
            let events = self.epolls.get(epoll).entry(key).map_or(0, |e| e.events);
            if poll::readiness_now(self, task, key.file, cx) & events & !HOW != 0 {
                return true;
            }
            self.epolls.get_mut(epoll).ready.remove(0);
        }
        false
    }
}

/// `epoll_wait`, `epoll_pwait`.
pub(crate) fn begin_wait(k: &mut Kernel, task: TaskId, call: &Invocation, cx: &mut Cx) -> Progress {
    let (most, timeout) = (call.int(1), call.int(2));
    cx.cite(READY_048);
    let mut room = usize::MAX;
    if call.sys == Sys::EpollWaitFault {
        match call.args.get(2) {
            Some(Value::Memory(m)) if m.fault == Fault::Outside => {
                // Whether the range is the user's is tested first of all but the count.
                if !(1..=MOST_EVENTS).contains(&most) {
                    return Progress::Done(Errno::EINVAL.into());
                }
                return Progress::Done(Errno::EFAULT.into());
            }
            Some(Value::Memory(m)) => room = m.valid.len() / 12,
            _ => {}
        }
    }
    if !(1..=MOST_EVENTS).contains(&most) {
        return Progress::Done(Errno::EINVAL.into());
    }
    let file = match k.file_of(task, call.int(0)) {
        Ok(file) => file,
        Err(e) => return Progress::Done(e.into()),
    };
    let FileKind::Epoll(epoll) = k.files.get(file).kind else {
        return Progress::Done(Errno::EINVAL.into());
    };
    let sleeps = timeout != 0 && call.sys != Sys::EpollWaitFault;
    if call.sys == Sys::EpollPwait {
        cx.cite(READY_033);
        k.set_temporary_mask(task, crate::signal::SigSet::of_list(call.list(3)).mortal());
    }
    if timeout > 0 && sleeps {
        k.set_timeout(task, timeout as u64 * 1_000_000);
    }
    k.hold(file);
    let op = EpollOp {
        file,
        epoll,
        most: most as usize,
        room,
    };
    cx.cite(READY_049);
    op.go_on(k, task, sleeps, cx)
}

impl EpollOp {
    /// It was woken, or a signal disturbs it.
    pub(crate) fn advance(self, k: &mut Kernel, task: TaskId, cx: &mut Cx) -> Progress {
        if k.files.get(self.file).descriptors == 0 {
            cx.cite(READY_053);
        }
        k.epolls.get_mut(self.epoll).waiters.leave(task);
        let sleeps = !k.timed_out(task);
        self.go_on(k, task, sleeps, cx)
    }

    fn go_on(self, k: &mut Kernel, task: TaskId, sleeps: bool, cx: &mut Cx) -> Progress {
        let progress = match self.fetch(k, task, cx) {
            Err(e) => Progress::Done(e.into()),
            Ok(events) if !events.is_empty() => Progress::Done(Value::List(events)),
            Ok(_) if !sleeps => {
                if k.signal_pending(task) {
                    cx.cite(READY_036);
                }
                Progress::Done(Value::List(Vec::new()))
            }
            Ok(_) if k.signal_pending(task) => {
                cx.cite(READY_050);
                Progress::Restart(Restart::Never)
            }
            Ok(_) => {
                let waiters = &mut k.epolls.get_mut(self.epoll).waiters;
                if !waiters.waiters().is_empty() {
                    cx.cite(READY_054);
                }
                waiters.join_first(task);
                return Progress::Sleep(Op::Epoll(self));
            }
        };
        self.abandon(k, task, cx);
        progress
    }

    /// Fetches what is ready: each is looked at anew, delivered, and put back if it is
    /// level-triggered.
    fn fetch(&self, k: &mut Kernel, task: TaskId, cx: &mut Cx) -> Result<Vec<Value>, Errno> {
        if k.files.get(self.file).descriptors > 1 {
            cx.cite(READY_047);
        }
        let mut list = std::mem::take(&mut k.epolls.get_mut(self.epoll).ready);
        let mut again = Vec::new();
        let mut events = Vec::new();
        let mut fault = false;
        while events.len() < self.most && !list.is_empty() {
            let key = list.remove(0);
            let Some(entry) = k.epolls.get(self.epoll).entry(key).copied() else {
                continue;
            };
            let now = poll::readiness_now(k, task, key.file, cx) & entry.events & !HOW;
            if now == 0 {
                cx.cite(READY_062);
                cx.cite(READY_067);
                if let FileKind::Signals(_) = k.files.get(key.file).kind {
                    cx.cite(SIG_103);
                }
                continue;
            }
            if events.len() >= self.room {
                list.insert(0, key);
                fault = true;
                break;
            }
            cx.cite(READY_043);
            cx.cite(READY_042);
            if entry.events & (EPOLLRDNORM | EPOLLWRNORM | EPOLLRDHUP) != 0 {
                cx.cite(READY_069);
            }
            events.push(Value::List(vec![
                Value::Bits(Bits::Epoll, now),
                Value::Int(entry.data),
            ]));
            if entry.events & EPOLLONESHOT != 0 {
                cx.cite(READY_068);
                if let Some(entry) = k.epolls.get_mut(self.epoll).entry_mut(key) {
                    entry.events &= HOW;
                }
            } else if entry.events & EPOLLET == 0 {
                cx.cite(READY_057);
                again.push(key);
            } else {
                cx.cite(READY_061);
            }
        }
        if events.len() > 1 || !list.is_empty() {
            cx.cite(READY_051);
        }
        list.extend(again);
        let instance = k.epolls.get_mut(self.epoll);
        // What a nested instance put there meanwhile stands behind.
        let late = std::mem::take(&mut instance.ready);
        instance.ready = list;
        for key in late {
            instance.list(key);
        }
        if !instance.ready.is_empty() && !instance.waiters.waiters().is_empty() {
            let epoll = self.epoll;
            k.wake_queue(|k| &mut k.epolls.get_mut(epoll).waiters, true, 0, cx);
        }
        match fault && events.is_empty() {
            true => Err(Errno::EFAULT),
            false => Ok(events),
        }
    }

    /// The call is over, or its task has ended.
    pub(crate) fn abandon(self, k: &mut Kernel, task: TaskId, cx: &mut Cx) {
        k.epolls.get_mut(self.epoll).waiters.leave(task);
        k.unhold(self.file, cx);
    }
}
