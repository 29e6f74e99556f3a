//! A small name space: inodes, directories, path resolution.
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
        // A directory also has its own `.`.
        let links = match content {
            Content::Directory { .. } => 2,
            _ => 1,
        };
        Inode {
            content,
            mode,
            uid,
            gid,
            links,
            times: None,
        }
    }

    /// The run's own directory.
    pub fn root() -> Inode {
        let entries = BTreeMap::new();
        let parent = None;
        Inode::new(Content::Directory { entries, parent }, 0o777, 0, 0)
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

    pub(super) fn entries(&self) -> Result<&BTreeMap<String, ObjId>, Errno> {
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

/// What becomes of a symbolic link at the end of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LastLink {
    /// It is followed.
    Follow,
    /// It is followed if a slash stands behind it.
    IfSlash,
    /// It is what the path names.
    Stay,
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

impl Found {
    /// Whether the last component is `.` or `..`, or the path is `/`.
    pub fn is_dotted(&self) -> bool {
        matches!(self.name.as_str(), "." | "..")
    }
}

impl Kernel {
    /// Resolves a path.
    pub(super) fn resolve(
        &self,
        task: TaskId,
        start: ObjId,
        path: &str,
        last_link: LastLink,
        links: &mut usize,
    ) -> Result<Found, Errno> {
        if path.is_empty() {
            return Err(Errno::ENOENT);
        }
        if path.len() >= PATH_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        let who = self.task(task).credentials;
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
            Some((_, Content::Symlink(target)))
                if last_link == LastLink::Follow || slash && last_link == LastLink::IfSlash =>
            {
                *links += 1;
                if *links > LINKS_MAX {
                    return Err(Errno::ELOOP);
                }
                let target = target.clone();
                let found = self.resolve(task, dir, &target, LastLink::Follow, links)?;
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
        self.resolve(task, dir, target, LastLink::Follow, links)?
            .inode
            .ok_or(Errno::ENOENT)
    }

    /// What a path names.
    pub(super) fn lookup(&self, task: TaskId, path: &str) -> Result<ObjId, Errno> {
        let start = self.process_of(task).cwd;
        let found = self.resolve(task, start, path, LastLink::Follow, &mut 0)?;
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
        let who = self.task(task).credentials;
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
        if is_dir {
            // Its `..`.
            self.inodes.get_mut(found.dir).links += 1;
        }
        Ok(id)
    }

    /// Enters a name.
    pub(super) fn link(&mut self, found: &Found, inode: ObjId) {
        if let Content::Directory { entries, .. } = &mut self.inodes.get_mut(found.dir).content {
            entries.insert(found.name.clone(), inode);
        }
    }

    /// Takes an entry out of a directory.
    pub(super) fn take_name(&mut self, dir: ObjId, name: &str) -> Option<ObjId> {
        match &mut self.inodes.get_mut(dir).content {
            Content::Directory { entries, .. } => entries.remove(name),
            _ => None,
        }
    }

    /// Takes a name away, and what it named with it if it was the last.
    pub(super) fn unlink(&mut self, dir: ObjId, name: &str) {
        let gone = self.take_name(dir, name);
        if let Some(inode) = gone {
            let i = self.inodes.get_mut(inode);
            i.links -= 1;
            if let Content::Directory { .. } = i.content {
                i.links = 0;
                self.inodes.get_mut(dir).links -= 1;
            }
            self.drop_unused_inode(inode);
        }
    }

    /// A read of a pipe moves the access time, a write the modification time.
    pub(crate) fn touch(&mut self, pipe: ObjId, written: bool) {
        let inode = self.inodes.get(pipe);
        // Those of an anonymous pipe stay (PIPE-020).
        let moves =
            inode.content == Content::Fifo && inode.times.is_some_and(|t| !t[usize::from(written)]);
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
    pub(super) fn cite_sleeping_openers(&self, inode: ObjId, cx: &mut Cx) {
        if self
            .pipes
            .find(inode)
            .is_some_and(Pipe::has_sleeping_openers)
        {
            cx.cite(FIFO_037);
        }
    }

    /// Whether these credentials may take a name out of the directory.
    pub(super) fn may_remove(
        &self,
        task: TaskId,
        found: &Found,
        inode: ObjId,
    ) -> Result<(), Errno> {
        let who = self.task(task).credentials;
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
