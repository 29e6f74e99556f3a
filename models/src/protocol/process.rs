//! A process as it runs: its descriptors, its calls, and the way back from them.

use super::plan::{Plan, fifo};
use super::world::{Left, World};
use crate::fifo::Access;
use crate::pipe::{Pipe, Written};
use crate::posix_mq::Queue;
use crate::runtime::Runtime;
use crate::signal::Back;
use crate::sysv_msg::Wants;
use scenario::constants::*;
use scenario::{Data, End, Errno, Signal, Stmt, Sys, TaskId, Value, What};
use sim::kernel::{Clauses, Invocation};
use sim::posix_mq::Message;
use sim::sysv_msg::{self, Selection};
use std::sync::Arc;

/// An open file description.
pub(super) struct Description<R: Runtime> {
    pub object: Object<R>,
    pub access: Access,
    /// Descriptors that name it.
    pub references: R::Mutex<u32>,
}

/// What it refers to.
pub(super) enum Object<R: Runtime> {
    /// The null device.
    Null,
    Pipe(Arc<Pipe<R>>),
    Queue(Arc<Queue<R>>),
}

/// A process as it runs.
pub(super) struct Process<R: Runtime> {
    pub world: Arc<World<R>>,
    pub task: TaskId,
    pub fds: Vec<Option<Arc<Description<R>>>>,
}

/// How a program goes on after a call.
enum Next {
    Returns(Value),
    Ends(End),
}

impl<R: Runtime> Process<R> {
    /// Makes the program's calls, until it ends or sleeps for ever.
    pub fn run(mut self, plan: &Plan) {
        let body = &plan.program.task(self.task).body;
        let end = body.iter().enumerate().find_map(|(at, stmt)| {
            self.world.is_at(self.task, at);
            self.step(at, stmt)
        });
        if let Some(Ok(end)) = end {
            self.world.happens(self.task, What::End(end));
            for fd in 0..self.fds.len() {
                self.close(fd);
            }
        }
        self.world.depart();
    }

    /// Makes a call, however often it starts over. Signals come before it and on the way back from it.
    /// `None`: the program goes on; an error: the call never returns.
    fn step(&mut self, at: usize, stmt: &Stmt) -> Option<Result<End, Left>> {
        if let Back::Dies(end) = self.world.take_signals(self.task, None) {
            return Some(Ok(end));
        }
        let value = loop {
            let (value, disturbed) = match self.call(stmt) {
                Ok(Next::Returns(value)) => (value, None),
                Ok(Next::Ends(end)) => return Some(Ok(end)),
                Err(Left::Disturbed(restart)) => (Errno::EINTR.into(), Some(restart)),
                Err(Left::Stuck) => return Some(Err(Left::Stuck)),
            };
            match self.world.take_signals(self.task, disturbed) {
                Back::Dies(end) => return Some(Ok(end)),
                Back::GoesOn if disturbed.is_some() => {}
                Back::GoesOn | Back::Interrupted => break value,
            }
        };
        self.world.happens(self.task, What::Return(at, value));
        None
    }

    fn call(&mut self, stmt: &Stmt) -> Result<Next, Left> {
        let call = Invocation {
            sys: stmt.sys,
            args: self.world.args(stmt),
        };
        let value = match call.sys {
            Sys::Exit => return Ok(Next::Ends(End::Exited(call.int(0) as u8))),
            Sys::Close => match self.close(call.int(0) as usize) {
                true => Ok(Value::ZERO),
                false => Err(Errno::EBADF),
            },
            Sys::Open => self.open(&call)?,
            Sys::Read => self.read(&call)?,
            Sys::Write => return self.write(&call),
            Sys::Kill => self.kill(&call),
            Sys::MqSend => self.mq_send(&call)?,
            Sys::MqReceive => self.mq_receive(&call)?,
            Sys::MsgSend => self.msgsnd(&call)?,
            Sys::MsgReceive => self.msgrcv(&call)?,
            Sys::MsgSet => self.msg_set(&call),
            Sys::MsgRemove => {
                let (queues, id) = (&self.world.message_queues, call.int(0) as i32);
                let removed = queues.remove(&self.world, self.credentials(), id);
                removed.map(|()| Value::ZERO)
            }
            _ => Err(Errno::ENOSYS),
        };
        Ok(Next::Returns(value.unwrap_or_else(Value::Error)))
    }

    fn credentials(&self) -> sim::kernel::Credentials {
        self.world.kernel().task(self.task).credentials
    }

    fn description(&self, call: &Invocation) -> Option<&Description<R>> {
        let fd = usize::try_from(call.int(0)).ok()?;
        self.fds.get(fd)?.as_deref()
    }

    fn pipe(&self, call: &Invocation, may: fn(Access) -> bool) -> Option<(Arc<Pipe<R>>, Access)> {
        let description = self.description(call)?;
        let Object::Pipe(pipe) = &description.object else {
            return None;
        };
        may(description.access).then(|| (pipe.clone(), description.access))
    }

    fn queue(&self, call: &Invocation, may: fn(Access) -> bool) -> Option<(Arc<Queue<R>>, Access)> {
        let description = self.description(call)?;
        let Object::Queue(queue) = &description.object else {
            return None;
        };
        may(description.access).then(|| (queue.clone(), description.access))
    }

    fn read(&self, call: &Invocation) -> Result<Result<Value, Errno>, Left> {
        let Some((pipe, access)) = self.pipe(call, |a| a.reads) else {
            return Ok(Err(Errno::EBADF));
        };
        let count = call.int(1) as usize;
        if count == 0 {
            return Ok(Ok(Value::Data(Data::empty())));
        }
        let result = pipe.read(&self.world, self.task, count, access.nonblocking)?;
        Ok(result.map(Value::Data))
    }

    fn write(&self, call: &Invocation) -> Result<Next, Left> {
        let value = match (self.pipe(call, |a| a.writes), call.args.get(1)) {
            (Some((pipe, access)), Some(Value::Data(data))) if !data.is_empty() => {
                match pipe.write(&self.world, self.task, data, access.nonblocking)? {
                    Written::Done(n) => Value::Int(n as i64),
                    Written::Again => Errno::EAGAIN.into(),
                    Written::Broken => return Ok(self.broken()),
                }
            }
            (Some(_), _) => Value::ZERO,
            (None, _) => Errno::EBADF.into(),
        };
        Ok(Next::Returns(value))
    }

    /// A write without readers.
    fn broken(&self) -> Next {
        let dispositions = &self.world.kernel().process_of(self.task).dispositions;
        match dispositions.ignore(Signal::SIGPIPE) {
            true => Next::Returns(Errno::EPIPE.into()),
            false => Next::Ends(End::Killed(Signal::SIGPIPE)),
        }
    }

    /// `close`; tells whether it was open. The last one to go releases the pipe.
    fn close(&mut self, fd: usize) -> bool {
        let Some(description) = self.fds.get_mut(fd).and_then(Option::take) else {
            return false;
        };
        let Object::Pipe(pipe) = &description.object else {
            return true;
        };
        let left = {
            let mut references = R::lock(&description.references);
            *references -= 1;
            *references
        };
        if left == 0 {
            let Access { reads, writes, .. } = description.access;
            pipe.release(&self.world, reads, writes);
        }
        true
    }

    /// `open` of a FIFO in the run's own directory.
    fn open(&mut self, call: &Invocation) -> Result<Result<Value, Errno>, Left> {
        let Some(pipe) = fifo(self.world.kernel(), call.path(0)) else {
            return Ok(Err(Errno::ENOENT));
        };
        let pipe = self.world.pipes[&pipe].clone();
        let flags = call.bits(1);
        let access = Access {
            reads: flags & O_ACCMODE != O_WRONLY,
            writes: flags & O_ACCMODE != O_RDONLY,
            nonblocking: flags & O_NONBLOCK != 0,
        };
        if let Err(e) = pipe.open(&self.world, self.task, access)? {
            return Ok(Err(e));
        }
        let fd = self.fds.iter().position(Option::is_none);
        let fd = fd.unwrap_or_else(|| {
            self.fds.push(None);
            self.fds.len() - 1
        });
        self.fds[fd] = Some(Arc::new(Description {
            object: Object::Pipe(pipe),
            access,
            references: R::mutex(1),
        }));
        Ok(Ok(Value::Int(fd as i64)))
    }

    fn kill(&self, call: &Invocation) -> Result<Value, Errno> {
        match (call.task(0), call.args.get(1)) {
            (Some(to), Some(Value::Signal(signal))) => {
                self.world.send(self.task, to, *signal);
                Ok(Value::ZERO)
            }
            _ => Err(Errno::ENOSYS),
        }
    }

    fn mq_send(&self, call: &Invocation) -> Result<Result<Value, Errno>, Left> {
        let Some((queue, access)) = self.queue(call, |a| a.writes) else {
            return Ok(Err(Errno::EBADF));
        };
        let message = Message {
            priority: call.int(2) as u32,
            data: data(call, 1),
        };
        if message.data.len() > queue.size() {
            return Ok(Err(Errno::EMSGSIZE));
        }
        let sent = queue.send(&self.world, self.task, message, access.nonblocking)?;
        Ok(sent.map(|()| Value::ZERO))
    }

    fn mq_receive(&self, call: &Invocation) -> Result<Result<Value, Errno>, Left> {
        let Some((queue, access)) = self.queue(call, |a| a.reads) else {
            return Ok(Err(Errno::EBADF));
        };
        if (call.int(1) as u64) < queue.size() as u64 {
            return Ok(Err(Errno::EMSGSIZE));
        }
        let received = queue.receive(&self.world, self.task, access.nonblocking)?;
        let show =
            |m: Message| Value::List(vec![Value::Data(m.data), Value::Int(i64::from(m.priority))]);
        Ok(received.map(show))
    }

    fn msgsnd(&self, call: &Invocation) -> Result<Result<Value, Errno>, Left> {
        let Some(queue) = self.world.message_queues.find(call.int(0) as i32) else {
            return Ok(Err(Errno::EINVAL));
        };
        let message = sysv_msg::Message {
            kind: call.int(1),
            text: data(call, 2),
        };
        let (who, nowait) = (self.credentials(), call.bits(3) & IPC_NOWAIT != 0);
        let sent = queue.send(&self.world, self.task, who, message, nowait)?;
        Ok(sent.map(|()| Value::ZERO))
    }

    fn msgrcv(&self, call: &Invocation) -> Result<Result<Value, Errno>, Left> {
        let Some(queue) = self.world.message_queues.find(call.int(0) as i32) else {
            return Ok(Err(Errno::EINVAL));
        };
        let (size, flags) = (call.int(1) as u64, call.bits(3));
        let wants = Wants {
            selection: Selection::new(call.int(2), flags, &mut Clauses::default()),
            most: (flags & MSG_NOERROR == 0).then_some(size),
            nowait: flags & IPC_NOWAIT != 0,
        };
        let received = queue.receive(&self.world, self.task, self.credentials(), wants)?;
        let show = |m: sysv_msg::Message| {
            let text = m.text.slice(0, m.len().min(size) as usize);
            Value::List(vec![Value::Int(m.kind), Value::Data(text)])
        };
        Ok(received.map(show))
    }

    fn msg_set(&self, call: &Invocation) -> Result<Value, Errno> {
        let (queues, id) = (&self.world.message_queues, call.int(0) as i32);
        let change = |queue: &mut sysv_msg::Queue| {
            queue.owner = (call.int(1) as u32, call.int(2) as u32);
            queue.mode = call.bits(3) as u32 & 0o777;
            queue.limit = call.int(4) as u64;
        };
        queues.set(&self.world, self.credentials(), id, change)?;
        Ok(Value::ZERO)
    }
}

fn data(call: &Invocation, at: usize) -> Data {
    match call.args.get(at) {
        Some(Value::Data(data)) => data.clone(),
        _ => Data::empty(),
    }
}
