//! A small name space: inodes, directories, path resolution, and the calls on names.
//!
//! A run starts in an empty directory of its own, which every process can write; names are relative
//! to it.

use crate::clause::*;
use crate::fd::{change_mode, change_owner, status};
use crate::kernel::{Credentials, Cx, FileKind, Invocation, Kernel, ObjId};
use crate::pipe::Pipe;
use scenario::{Bits, Data, Errno, Sys, TaskId, Value, constants::*};
use std::collections::BTreeMap;

/// The longest name of a directory entry, in bytes.
const NAME_MAX: usize = 255;
/// The longest path, in bytes, its final NUL counted.
pub(super) const PATH_MAX: usize = 4096;
/// Symbolic links followed in one resolution.
const LINKS_MAX: usize = 40;

/// An inode.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Inode {
    /// What it is and holds.
    pub content: Content,
    /// Permission bits with set-user-ID, set-group-ID and sticky.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Names it has.
    pub links: u32,
    /// Whether access and modification time moved since they were last asked for; `None` before
    /// that.
    times: Option<[bool; 2]>,
}

/// What an inode is and holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Content {
    /// A pipe without a name.
    AnonymousPipe,
    /// A FIFO.
    Fifo,
    /// A regular file with these bytes.
    Regular(Data),
    /// A directory with these entries, in this parent.
    Directory {
        /// Names and inodes.
        entries: BTreeMap<String, ObjId>,
        /// `..`; none for the run's own directory.
        parent: Option<ObjId>,
    },
    /// A symbolic link to this path.
    Symlink(String),
    /// A message queue.
    Queue,
}

impl Inode {
    fn new(content: Content, mode: u32, uid: u32, gid: u32) -> Inode {
        Inode {
            content,
            mode,
            uid,
            gid,
            links: 1,
            times: None,
        }
    }

    /// The run's own directory.
    pub fn root() -> Inode {
        let entries = BTreeMap::new();
        Inode::new(
            Content::Directory {
                entries,
                parent: None,
            },
            0o777,
            0,
            0,
        )
    }

    /// The inode of an anonymous pipe (PIPE-017).
    pub fn anonymous_pipe(uid: u32, gid: u32) -> Inode {
        Inode::new(Content::AnonymousPipe, 0o600, uid, gid)
    }

    /// The inode of a message queue.
    pub fn queue(mode: u32, uid: u32, gid: u32) -> Inode {
        Inode::new(Content::Queue, mode, uid, gid)
    }

    /// Whether its owner may do all of `want`, as far as the mode says.
    pub(crate) fn permits_owner(&self, want: u32) -> bool {
        self.mode >> 6 & want == want
    }

    /// Whether it is anything but an anonymous pipe.
    pub fn is_named(&self) -> bool {
        self.content != Content::AnonymousPipe
    }

    /// Its type bits.
    pub fn file_type(&self) -> u64 {
        match self.content {
            Content::AnonymousPipe | Content::Fifo => S_IFIFO,
            Content::Regular(_) | Content::Queue => S_IFREG,
            Content::Directory { .. } => S_IFDIR,
            Content::Symlink(_) => S_IFLNK,
        }
    }

    /// The bytes of a regular file; none of anything else.
    pub fn data(&self) -> Data {
        match &self.content {
            Content::Regular(data) => data.clone(),
            _ => Data::empty(),
        }
    }

    /// Writes to a regular file; a gap reads as zeros.
    pub fn write_data(&mut self, at: usize, new: &Data) {
        if let Content::Regular(data) = &mut self.content {
            let head = data.slice(0, at);
            let gap = Data::repeat(0, at - head.len());
            let tail = data.slice(at + new.len(), usize::MAX);
            *data = head.concat(&gap).concat(new).concat(&tail);
        }
    }

    /// Access and modification time move as told.
    pub(crate) fn touch_both(&mut self, moved: [bool; 2]) {
        if let Some(times) = &mut self.times {
            times[0] |= moved[0];
            times[1] |= moved[1];
        }
    }

    /// Which times moved since they were last asked for.
    pub(crate) fn ask_times(&mut self) -> Value {
        let moved = self.times.replace([false; 2]).unwrap_or_default();
        Value::List(moved.map(|m| Value::Int(i64::from(m))).to_vec())
    }

    fn entries(&self) -> Result<&BTreeMap<String, ObjId>, Errno> {
        match &self.content {
            Content::Directory { entries, .. } => Ok(entries),
            _ => Err(Errno::ENOTDIR),
        }
    }

    /// Whether these credentials may do all of `want` (4 read, 2 write, 1 execute or search).
    pub fn permits(&self, who: Credentials, want: u32) -> bool {
        if who.privileged() {
            return true;
        }
        let shift = if who.euid == self.uid {
            6
        } else if who.gid == self.gid {
            3
        } else {
            0
        };
        self.mode >> shift & want == want
    }
}

/// Where a path leads.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// The directory of the last component.
    pub dir: ObjId,
    /// The last component.
    pub name: String,
    /// What it names, if it exists.
    pub inode: Option<ObjId>,
    /// The path ends in a slash.
    pub slash: bool,
}

impl Kernel {
    /// Resolves a path; the last component is followed if it is a symbolic link and `follow`.
    pub(super) fn resolve(
        &self,
        task: TaskId,
        start: ObjId,
        path: &str,
        follow: bool,
        links: &mut usize,
    ) -> Result<Found, Errno> {
        if path.is_empty() {
            return Err(Errno::ENOENT);
        }
        if path.len() >= PATH_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        let who = self.process_of(task).credentials;
        let mut dir = start;
        if path.starts_with('/') {
            while let Content::Directory {
                parent: Some(up), ..
            } = self.inodes.get(dir).content
            {
                dir = up;
            }
        }
        let parts: Vec<&str> = path.split('/').filter(|p| !p.is_empty()).collect();
        let slash = path.ends_with('/');
        let Some((last, firsts)) = parts.split_last() else {
            return Ok(Found {
                dir,
                name: ".".into(),
                inode: Some(dir),
                slash,
            });
        };
        for part in firsts {
            let found = self.step(dir, part, who)?.ok_or(Errno::ENOENT)?;
            dir = self.follow(task, dir, found, links)?;
            self.inodes.get(dir).entries()?;
        }
        let inode = self.step(dir, last, who)?;
        let name = (*last).to_string();
        match inode.map(|i| (i, &self.inodes.get(i).content)) {
            Some((_, Content::Symlink(target))) if follow || slash => {
                *links += 1;
                if *links > LINKS_MAX {
                    return Err(Errno::ELOOP);
                }
                let target = target.clone();
                let found = self.resolve(task, dir, &target, true, links)?;
                Ok(Found {
                    slash: found.slash || slash,
                    ..found
                })
            }
            _ => Ok(Found {
                dir,
                name,
                inode,
                slash,
            }),
        }
    }

    fn step(&self, dir: ObjId, name: &str, who: Credentials) -> Result<Option<ObjId>, Errno> {
        let inode = self.inodes.get(dir);
        let entries = inode.entries()?;
        if !inode.permits(who, 1) {
            return Err(Errno::EACCES);
        }
        if name.len() > NAME_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        Ok(match (name, &inode.content) {
            (".", _) => Some(dir),
            ("..", Content::Directory { parent, .. }) => Some(parent.unwrap_or(dir)),
            _ => entries.get(name).copied(),
        })
    }

    fn follow(
        &self,
        task: TaskId,
        dir: ObjId,
        inode: ObjId,
        links: &mut usize,
    ) -> Result<ObjId, Errno> {
        let Content::Symlink(target) = &self.inodes.get(inode).content else {
            return Ok(inode);
        };
        *links += 1;
        if *links > LINKS_MAX {
            return Err(Errno::ELOOP);
        }
        self.resolve(task, dir, target, true, links)?
            .inode
            .ok_or(Errno::ENOENT)
    }

    /// What a path names.
    pub(super) fn lookup(&self, task: TaskId, path: &str) -> Result<ObjId, Errno> {
        let start = self.process_of(task).cwd;
        let found = self.resolve(task, start, path, true, &mut 0)?;
        let inode = found.inode.ok_or(Errno::ENOENT)?;
        if found.slash {
            self.inodes.get(inode).entries()?;
        }
        Ok(inode)
    }

    /// Makes a directory entry for a new inode.
    pub(super) fn add_inode(
        &mut self,
        task: TaskId,
        found: &Found,
        content: Content,
        mode: u32,
        cx: &mut Cx,
    ) -> Result<ObjId, Errno> {
        let process = self.process_of(task);
        let who = process.credentials;
        let dir = self.inodes.get(found.dir);
        if !dir.permits(who, 3) {
            return Err(Errno::EACCES);
        }
        let is_dir = matches!(content, Content::Directory { .. });
        let mut mode = mode;
        let mut gid = who.gid;
        if dir.mode & 0o2000 != 0 {
            gid = dir.gid;
            if is_dir {
                mode |= 0o2000;
            } else if mode & 0o2010 == 0o2010 && !who.privileged() && who.gid != gid {
                // Looked at before the umask takes bits away.
                cx.cite(FIFO_004);
                mode &= !0o2000;
            }
        }
        if !matches!(content, Content::Symlink(_)) {
            mode &= !process.umask;
        }
        let id = self.new_id(task);
        self.inodes
            .insert(id, Inode::new(content, mode, who.euid, gid));
        self.link(found, id);
        Ok(id)
    }

    fn link(&mut self, found: &Found, inode: ObjId) {
        if let Content::Directory { entries, .. } = &mut self.inodes.get_mut(found.dir).content {
            entries.insert(found.name.clone(), inode);
        }
    }

    fn unlink(&mut self, dir: ObjId, name: &str) {
        let mut gone = None;
        if let Content::Directory { entries, .. } = &mut self.inodes.get_mut(dir).content {
            gone = entries.remove(name);
        }
        if let Some(inode) = gone {
            self.inodes.get_mut(inode).links -= 1;
            self.drop_unused_inode(inode);
        }
    }

    /// A read of a pipe moves the access time, a write the modification time.
    pub(crate) fn touch(&mut self, pipe: ObjId, written: bool) {
        let inode = self.inodes.get(pipe);
        // Those of an anonymous pipe stay (PIPE-020).
        let moves = inode.content == Content::Fifo
            && inode.times.is_some_and(|t| !t[usize::from(written)]);
        if moves && let Some(times) = &mut self.inodes.get_mut(pipe).times {
            times[usize::from(written)] = true;
        }
    }

    /// Forgets an inode that has no name and that nothing is open on.
    pub(crate) fn drop_unused_inode(&mut self, inode: ObjId) {
        let gone = self
            .inodes
            .find(inode)
            .is_some_and(|i| i.links == 0 || !i.is_named());
        if gone && !self.is_open(inode) {
            self.inodes.remove(inode);
        }
    }

    /// Losing a name is nothing to those who sleep in an open of the FIFO.
    fn cite_sleeping_openers(&self, inode: ObjId, cx: &mut Cx) {
        if self
            .pipes
            .find(inode)
            .is_some_and(Pipe::has_sleeping_openers)
        {
            cx.cite(FIFO_037);
        }
    }

    /// Whether these credentials may take a name out of the directory.
    fn may_remove(&self, task: TaskId, found: &Found, inode: ObjId) -> Result<(), Errno> {
        let who = self.process_of(task).credentials;
        let dir = self.inodes.get(found.dir);
        if !dir.permits(who, 3) {
            return Err(Errno::EACCES);
        }
        let owner = [dir.uid, self.inodes.get(inode).uid].contains(&who.euid);
        if dir.mode & 0o1000 != 0 && !owner && !who.privileged() {
            return Err(Errno::EPERM);
        }
        Ok(())
    }
}

/// Calls on names.
pub(crate) fn name_call(
    k: &mut Kernel,
    task: TaskId,
    call: &Invocation,
    cx: &mut Cx,
) -> Result<Value, Errno> {
    let cwd = k.process_of(task).cwd;
    let path = call.path(0);
    match call.sys {
        Sys::Mkfifo => make_fifo(k, task, cwd, path, call.bits(1) as u32, cx),
        Sys::Mknod => {
            // The device number means nothing for a FIFO.
            cx.cite(FIFO_003);
            make_fifo(k, task, cwd, path, call.bits(1) as u32, cx)
        }
        Sys::Mkfifoat => {
            cx.cite(FIFO_011);
            let path = call.path(1);
            let start = if path.starts_with('/') {
                cwd
            } else {
                match k.files.get(k.file_of(task, call.int(0))?).kind {
                    FileKind::Directory(dir) => dir,
                    FileKind::Path(inode) => {
                        k.inodes.get(inode).entries()?;
                        inode
                    }
                    _ => return Err(Errno::ENOTDIR),
                }
            };
            make_fifo(k, task, start, path, call.bits(2) as u32, cx)
        }
        Sys::Mkdir => {
            let found = k.resolve(task, cwd, path, false, &mut 0)?;
            if found.inode.is_some() {
                return Err(Errno::EEXIST);
            }
            let content = Content::Directory {
                entries: BTreeMap::new(),
                parent: Some(found.dir),
            };
            k.add_inode(task, &found, content, call.bits(1) as u32 & 0o1777, cx)?;
            Ok(Value::ZERO)
        }
        Sys::Symlink => {
            if path.is_empty() {
                return Err(Errno::ENOENT);
            }
            let found = k.resolve(task, cwd, call.path(1), false, &mut 0)?;
            if found.inode.is_some() {
                return Err(Errno::EEXIST);
            }
            if found.slash {
                return Err(Errno::ENOENT);
            }
            k.add_inode(task, &found, Content::Symlink(path.into()), 0o777, cx)?;
            Ok(Value::ZERO)
        }
        Sys::Link => {
            let old = k
                .resolve(task, cwd, path, false, &mut 0)?
                .inode
                .ok_or(Errno::ENOENT)?;
            let found = k.resolve(task, cwd, call.path(1), false, &mut 0)?;
            if found.inode.is_some() {
                return Err(Errno::EEXIST);
            }
            let who = k.process_of(task).credentials;
            if !k.inodes.get(found.dir).permits(who, 3) {
                return Err(Errno::EACCES);
            }
            if k.inodes.get(old).entries().is_ok() {
                return Err(Errno::EPERM);
            }
            k.inodes.get_mut(old).links += 1;
            k.link(&found, old);
            cx.cite(FIFO_012);
            Ok(Value::ZERO)
        }
        Sys::Unlink => {
            let found = k.resolve(task, cwd, path, false, &mut 0)?;
            let inode = found.inode.ok_or(Errno::ENOENT)?;
            if found.slash {
                k.inodes.get(inode).entries()?;
            }
            k.may_remove(task, &found, inode)?;
            if k.inodes.get(inode).entries().is_ok() {
                return Err(Errno::EISDIR);
            }
            if k.pipes.find(inode).is_some() {
                cx.cite(FIFO_016);
            }
            k.cite_sleeping_openers(inode, cx);
            k.unlink(found.dir, &found.name);
            Ok(Value::ZERO)
        }
        Sys::Rename => {
            let from = k.resolve(task, cwd, path, false, &mut 0)?;
            let inode = from.inode.ok_or(Errno::ENOENT)?;
            let to = k.resolve(task, cwd, call.path(1), false, &mut 0)?;
            k.may_remove(task, &from, inode)?;
            if to.inode == Some(inode) {
                return Ok(Value::ZERO);
            }
            let is_dir = |i: ObjId| k.inodes.get(i).entries().is_ok();
            if let Some(old) = to.inode {
                k.may_remove(task, &to, old)?;
                match (is_dir(inode), is_dir(old)) {
                    (true, false) => return Err(Errno::ENOTDIR),
                    (false, true) => return Err(Errno::EISDIR),
                    (true, true) if !k.inodes.get(old).entries()?.is_empty() => {
                        return Err(Errno::ENOTEMPTY);
                    }
                    _ => {}
                }
            } else if !k
                .inodes
                .get(to.dir)
                .permits(k.process_of(task).credentials, 3)
            {
                return Err(Errno::EACCES);
            }
            cx.cite(FIFO_012);
            k.cite_sleeping_openers(inode, cx);
            k.inodes.get_mut(inode).links += 1;
            if to.inode.is_some() {
                k.unlink(to.dir, &to.name);
            }
            k.link(&to, inode);
            k.unlink(from.dir, &from.name);
            if let Content::Directory { parent, .. } = &mut k.inodes.get_mut(inode).content {
                *parent = Some(to.dir);
            }
            Ok(Value::ZERO)
        }
        Sys::Chmod => {
            let inode = k.lookup(task, path)?;
            if k.pipes.find(inode).is_some() {
                cx.cite(FIFO_018);
            }
            change_mode(k, task, inode, call.bits(1) as u32)
        }
        Sys::Chown => {
            let inode = k.lookup(task, path)?;
            change_owner(k, task, inode, call.int(1), call.int(2))
        }
        Sys::Stat => {
            let inode = k.lookup(task, path)?;
            Ok(status(k, inode))
        }
        Sys::Truncate => {
            let inode = k.lookup(task, path)?;
            match &k.inodes.get(inode).content {
                Content::Directory { .. } => Err(Errno::EISDIR),
                Content::Regular(data) => {
                    let len = usize::try_from(call.int(1)).map_err(|_| Errno::EINVAL)?;
                    let gap = Data::repeat(0, len.saturating_sub(data.len()));
                    let data = data.slice(0, len).concat(&gap);
                    k.inodes.get_mut(inode).content = Content::Regular(data);
                    Ok(Value::ZERO)
                }
                _ => {
                    cx.cite(FIFO_020);
                    Err(Errno::EINVAL)
                }
            }
        }
        Sys::Execve => {
            // Nothing here is a program: FIFOs and directories never are, and no regular file holds one.
            let inode = k.lookup(task, path)?;
            if k.inodes.get(inode).content == Content::Fifo {
                cx.cite(FIFO_021);
            }
            Err(Errno::EACCES)
        }
        Sys::Umask => {
            let old =
                std::mem::replace(&mut k.process_mut(task).umask, call.bits(0) as u32 & 0o777);
            Ok(Value::Bits(Bits::Mode, u64::from(old)))
        }
        _ => Err(Errno::ENOSYS),
    }
}

fn make_fifo(
    k: &mut Kernel,
    task: TaskId,
    start: ObjId,
    path: &str,
    mode: u32,
    cx: &mut Cx,
) -> Result<Value, Errno> {
    let found = k.resolve(task, start, path, false, &mut 0);
    let found = found.inspect_err(|e| {
        cx.cite(match e {
            Errno::ENOENT => FIFO_006,
            Errno::ENOTDIR => FIFO_007,
            Errno::ENAMETOOLONG => FIFO_008,
            _ => FIFO_009,
        });
    })?;
    if found.inode.is_some() {
        cx.cite(FIFO_005);
        return Err(Errno::EEXIST);
    }
    if found.slash {
        cx.cite(FIFO_006);
        return Err(Errno::ENOENT);
    }
    let made = k.add_inode(task, &found, Content::Fifo, mode & 0o7777, cx);
    cx.cite(if made.is_ok() { FIFO_001 } else { FIFO_009 });
    made?;
    cx.cite(FIFO_002);
    if !k.process_of(task).credentials.privileged() {
        cx.cite(FIFO_003);
    }
    if mode & 0o7000 != 0 {
        cx.cite(FIFO_004);
    }
    Ok(Value::ZERO)
}
