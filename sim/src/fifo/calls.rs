//! The calls on names: making, removing, renaming, and what else takes a path.

use super::names::{Content, Found, LastLink};
use crate::clause::*;
use crate::fd::{change_mode, change_owner, status};
use crate::kernel::{Cx, FileKind, Invocation, Kernel, ObjId};
use scenario::{Bits, Data, Errno, Sys, TaskId, Value};
use std::collections::BTreeMap;

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
            let found = k.resolve(task, cwd, path, LastLink::Stay, &mut 0)?;
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
            let found = free_name(k, task, cwd, call.path(1))?;
            k.add_inode(task, &found, Content::Symlink(path.into()), 0o777, cx)?;
            Ok(Value::ZERO)
        }
        Sys::Link => link(k, task, cwd, path, call.path(1), cx),
        Sys::Unlink => unlink(k, task, cwd, path, cx),
        Sys::Rename => rename(k, task, cwd, path, call.path(1), cx),
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
        Sys::Truncate => truncate(k, task, path, call.int(1), cx),
        Sys::Execve => execve(k, task, path, cx),
        Sys::Umask => {
            let old =
                std::mem::replace(&mut k.process_mut(task).umask, call.bits(0) as u32 & 0o777);
            Ok(Value::Bits(Bits::Mode, u64::from(old)))
        }
        _ => Err(Errno::ENOSYS),
    }
}

/// A name that something new can get.
fn free_name(k: &Kernel, task: TaskId, cwd: ObjId, path: &str) -> Result<Found, Errno> {
    let found = k.resolve(task, cwd, path, LastLink::Stay, &mut 0)?;
    match found.inode {
        Some(_) => Err(Errno::EEXIST),
        // Only a directory can be named so.
        None if found.slash => Err(Errno::ENOENT),
        None => Ok(found),
    }
}

fn is_dir(k: &Kernel, inode: ObjId) -> bool {
    k.inodes.get(inode).entries().is_ok()
}

fn link(
    k: &mut Kernel,
    task: TaskId,
    cwd: ObjId,
    from: &str,
    to: &str,
    cx: &mut Cx,
) -> Result<Value, Errno> {
    let old = k.resolve(task, cwd, from, LastLink::IfSlash, &mut 0)?;
    let inode = old.inode.ok_or(Errno::ENOENT)?;
    if old.slash {
        k.inodes.get(inode).entries()?;
    }
    let found = free_name(k, task, cwd, to)?;
    let who = k.task(task).credentials;
    if !k.inodes.get(found.dir).permits(who, 3) {
        return Err(Errno::EACCES);
    }
    if is_dir(k, inode) {
        return Err(Errno::EPERM);
    }
    k.inodes.get_mut(inode).links += 1;
    k.link(&found, inode);
    cx.cite(FIFO_012);
    Ok(Value::ZERO)
}

fn unlink(
    k: &mut Kernel,
    task: TaskId,
    cwd: ObjId,
    path: &str,
    cx: &mut Cx,
) -> Result<Value, Errno> {
    let found = k.resolve(task, cwd, path, LastLink::Stay, &mut 0)?;
    if found.is_dotted() {
        return Err(Errno::EISDIR);
    }
    let inode = found.inode.ok_or(Errno::ENOENT)?;
    if found.slash {
        k.inodes.get(inode).entries()?;
        return Err(Errno::EISDIR);
    }
    k.may_remove(task, &found, inode)?;
    if is_dir(k, inode) {
        return Err(Errno::EISDIR);
    }
    if k.pipes.find(inode).is_some() {
        cx.cite(FIFO_016);
    }
    k.cite_sleeping_openers(inode, cx);
    k.unlink(found.dir, &found.name);
    Ok(Value::ZERO)
}

/// Whether the directory `above` is `inode`, or a directory that it lies in.
fn lies_in(k: &Kernel, inode: ObjId, above: ObjId) -> bool {
    let mut at = Some(inode);
    while let Some(dir) = at {
        if dir == above {
            return true;
        }
        at = match k.inodes.get(dir).content {
            Content::Directory { parent, .. } => parent,
            _ => None,
        };
    }
    false
}

fn rename(
    k: &mut Kernel,
    task: TaskId,
    cwd: ObjId,
    from: &str,
    to: &str,
    cx: &mut Cx,
) -> Result<Value, Errno> {
    let from = k.resolve(task, cwd, from, LastLink::Stay, &mut 0)?;
    let to = k.resolve(task, cwd, to, LastLink::Stay, &mut 0)?;
    if from.is_dotted() || to.is_dotted() {
        return Err(Errno::EBUSY);
    }
    let inode = from.inode.ok_or(Errno::ENOENT)?;
    let dir = is_dir(k, inode);
    if !dir && (from.slash || to.slash) {
        return Err(Errno::ENOTDIR);
    }
    if lies_in(k, to.dir, inode) {
        return Err(Errno::EINVAL);
    }
    if to.inode.is_some_and(|old| lies_in(k, from.dir, old)) {
        return Err(Errno::ENOTEMPTY);
    }
    if to.inode == Some(inode) {
        return Ok(Value::ZERO);
    }
    let who = k.task(task).credentials;
    k.may_remove(task, &from, inode)?;
    match to.inode {
        None if !k.inodes.get(to.dir).permits(who, 3) => return Err(Errno::EACCES),
        None => {}
        Some(old) => {
            k.may_remove(task, &to, old)?;
            match (dir, is_dir(k, old)) {
                (true, false) => return Err(Errno::ENOTDIR),
                (false, true) => return Err(Errno::EISDIR),
                _ => {}
            }
        }
    }
    // A directory's `..` is to be written.
    if dir && from.dir != to.dir && !k.inodes.get(inode).permits(who, 2) {
        return Err(Errno::EACCES);
    }
    if let Some(old) = to.inode {
        if dir && !k.inodes.get(old).entries()?.is_empty() {
            return Err(Errno::ENOTEMPTY);
        }
        k.cite_sleeping_openers(old, cx);
        k.unlink(to.dir, &to.name);
    }
    cx.cite(FIFO_012);
    k.cite_sleeping_openers(inode, cx);
    k.take_name(from.dir, &from.name);
    k.link(&to, inode);
    if let Content::Directory { parent, .. } = &mut k.inodes.get_mut(inode).content {
        *parent = Some(to.dir);
        k.inodes.get_mut(from.dir).links -= 1;
        k.inodes.get_mut(to.dir).links += 1;
    }
    Ok(Value::ZERO)
}

fn truncate(
    k: &mut Kernel,
    task: TaskId,
    path: &str,
    len: i64,
    cx: &mut Cx,
) -> Result<Value, Errno> {
    let len = usize::try_from(len).map_err(|_| Errno::EINVAL)?;
    let inode = k.lookup(task, path)?;
    let who = k.task(task).credentials;
    let data = match &k.inodes.get(inode).content {
        Content::Directory { .. } => return Err(Errno::EISDIR),
        Content::Regular(data) => data.clone(),
        _ => {
            cx.cite(FIFO_020);
            return Err(Errno::EINVAL);
        }
    };
    if !k.inodes.get(inode).permits(who, 2) {
        return Err(Errno::EACCES);
    }
    let gap = Data::repeat(0, len.saturating_sub(data.len()));
    let data = data.slice(0, len).concat(&gap);
    k.inodes.get_mut(inode).content = Content::Regular(data);
    Ok(Value::ZERO)
}

fn execve(k: &Kernel, task: TaskId, path: &str, cx: &mut Cx) -> Result<Value, Errno> {
    let inode = k.inodes.get(k.lookup(task, path)?);
    let who = k.task(task).credentials;
    match inode.content {
        // A file that anyone may execute; but none holds a program.
        Content::Regular(_) if inode.mode & 0o111 != 0 && inode.permits(who, 1) => {
            Err(Errno::ENOEXEC)
        }
        Content::Fifo => {
            cx.cite(FIFO_021);
            Err(Errno::EACCES)
        }
        _ => Err(Errno::EACCES),
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
    let found = k.resolve(task, start, path, LastLink::Stay, &mut 0);
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
    if !k.task(task).credentials.privileged() {
        cx.cite(FIFO_003);
    }
    if mode & 0o7000 != 0 {
        cx.cite(FIFO_004);
    }
    Ok(Value::ZERO)
}
