//! What the end of a process means to its family: its children get a new parent, groups may be left
//! orphaned, its parent is told, and somebody waits for it, or nobody.

use crate::clause::*;
use crate::kernel::{Cx, Invocation, Kernel, State};
use crate::signal::ChildCode;
use scenario::{Bits, End, Errno, Handled, Signal, TaskId, Value, constants::*};

/// `prctl(PR_SET_CHILD_SUBREAPER, on)`.
pub(crate) fn set_subreaper(
    k: &mut Kernel,
    task: TaskId,
    call: &Invocation,
) -> Result<Value, Errno> {
    k.process_mut(task).subreaper = call.int(0) != 0;
    Ok(Value::ZERO)
}

impl Kernel {
    /// Whether the process has ended, and was not waited for.
    pub fn is_zombie(&self, leader: TaskId) -> bool {
        let process = self.process(leader);
        process.ended.is_some() && !process.leaving && !process.reaped
    }

    /// Somebody has waited for the process, or nobody will: its id names nothing any more.
    pub(crate) fn reap(&mut self, leader: TaskId) {
        if let Some(forker) = self.process(leader).forker {
            self.task_mut(forker).children.retain(|c| *c != leader);
        }
        let process = self.process_mut(leader);
        (process.reaped, process.parent, process.forker) = (true, None, None);
        process.report = None;
    }

    /// The last of a process: what it had open is closed already.
    pub(crate) fn leave(&mut self, leader: TaskId, cx: &mut Cx) {
        self.give_children_away(leader, cx);
        let process = self.process(leader);
        let (group, parent) = (process.group, process.parent);
        if let Some(parent) = parent {
            self.hang_up_if_orphaned(group, leader, parent, Some(leader), cx);
        }
        let process = self.process_mut(leader);
        process.leaving = false;
        if process.report.take().is_some() {
            cx.cite(SIG_137);
        }
        let (code, status) = match self.process(leader).ended {
            Some(End::Exited(status)) => (ChildCode::Exited, i64::from(status)),
            Some(End::Killed(signal)) => (ChildCode::Killed, i64::from(signal.0)),
            _ => (ChildCode::Killed, 0),
        };
        self.tell_parent(leader, code, status, cx);
    }

    /// A thread ends and others live: its children are theirs.
    pub(crate) fn hand_children_on(&mut self, task: TaskId) {
        let children = std::mem::take(&mut self.task_mut(task).children);
        let heir = self.threads_of(self.task(task).process).first().copied();
        for child in &children {
            self.process_mut(*child).forker = heir;
        }
        if let Some(heir) = heir {
            self.task_mut(heir).children.extend(children);
        }
    }

    /// The children of a process that ends get a new parent: the nearest ancestor that takes orphans
    /// in, or else the first process, which is none of the run's and waits for nobody before its end.
    fn give_children_away(&mut self, leader: TaskId, cx: &mut Cx) {
        let tasks = (0..self.tasks.len() as u16).map(TaskId);
        let children: Vec<TaskId> = match leader {
            // It waits for nobody, and has no list.
            TaskId::SETUP => tasks
                .filter(|t| {
                    let process = self.processes[t.index()].as_deref();
                    process.is_some_and(|p| p.parent == Some(leader) && !p.reaped)
                })
                .collect(),
            _ => {
                let own = tasks.filter(|t| self.task(*t).process == leader);
                let own: Vec<TaskId> = own.collect();
                own.into_iter()
                    .flat_map(|t| std::mem::take(&mut self.task_mut(t).children))
                    .collect()
            }
        };
        if children.is_empty() {
            return;
        }
        cx.cite(SIG_146);
        let mut reaper = self.process(leader).parent;
        while let Some(at) = reaper {
            let process = self.process(at);
            if process.subreaper && process.ended.is_none() {
                break;
            }
            reaper = process.parent;
        }
        let heir = reaper.and_then(|r| self.threads_of(r).first().copied());
        for child in children {
            let process = self.process_mut(child);
            (process.parent, process.forker) = (reaper, heir);
            if let Some(heir) = heir {
                self.task_mut(heir).children.push(child);
            }
            if self.is_zombie(child) {
                let (code, status) = match self.process(child).ended {
                    Some(End::Killed(signal)) => (ChildCode::Killed, i64::from(signal.0)),
                    Some(End::Exited(status)) => (ChildCode::Exited, i64::from(status)),
                    _ => (ChildCode::Exited, 0),
                };
                self.tell_parent(child, code, status, cx);
            }
            if !self.process(child).reaped {
                let group = self.process(child).group;
                self.hang_up_if_orphaned(group, child, leader, None, cx);
            }
        }
    }

    /// Whether a member of a group is stopped.
    pub(super) fn has_stopped(&self, group: TaskId) -> bool {
        let is_stopped = |m: TaskId| {
            let threads = self.threads_of(m);
            let stopped = |t: &TaskId| matches!(self.task(*t).state, State::Stopped { .. });
            !threads.is_empty() && threads.iter().all(stopped)
        };
        self.members_of(group).into_iter().any(is_stopped)
    }

    /// If the tie between `child` and `parent` was the group's last to the rest of its session, and a
    /// member is stopped, all members get SIGHUP and SIGCONT.
    fn hang_up_if_orphaned(
        &mut self,
        group: TaskId,
        child: TaskId,
        parent: TaskId,
        ignored: Option<TaskId>,
        cx: &mut Cx,
    ) {
        let parent = self.process(parent);
        let tied = parent.group != group && parent.session == self.process(child).session;
        if !tied || !self.is_orphaned_without(group, ignored) {
            return;
        }
        let members = self.members_of(group);
        cx.cite(SIG_161);
        if !self.has_stopped(group) {
            return;
        }
        let caught = |m: &TaskId| {
            let dispositions = &self.process(*m).dispositions;
            let handler = |s| dispositions.get(s).handler > SIG_IGN;
            handler(Signal::SIGHUP) && handler(Signal::SIGCONT)
        };
        if members.iter().any(caught) {
            cx.cite(SIG_162);
        }
        for signal in [Signal::SIGHUP, Signal::SIGCONT] {
            for member in &members {
                let code = Value::Bits(Bits::SiCode, SI_KERNEL);
                self.send_to_process(*member, Handled::new(signal, code, Value::ZERO), cx);
            }
        }
    }
}
