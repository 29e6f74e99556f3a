//! Which call is executed where: one line each, in the order of the table.

use crate::compile::{Call, Plan, Unsupported};
use crate::{
    epoll, eventfd, exec, fd, fifo, pipe, poll, posix_mq, process, select, signal, sysv_msg,
};
use scenario::{Bits, Sys};

/// Makes a call ready.
pub(crate) fn plan(c: &mut Call) -> Result<Plan, Unsupported> {
    match c.sys {
        Sys::Pipe => pipe::pipe(c),
        Sys::Pipe2 => pipe::pipe2(c),
        Sys::PipeBadArray => pipe::pipe_to(c),
        Sys::GetPipeSize => fd::fcntl(c, libc::F_GETPIPE_SZ),
        Sys::SetPipeSize => fd::fcntl(c, libc::F_SETPIPE_SZ),
        Sys::Splice => pipe::splice(c),
        Sys::Tee => pipe::tee(c),
        Sys::VmspliceOut => pipe::vmsplice_out(c),
        Sys::VmspliceIn => pipe::vmsplice_in(c),
        Sys::Sendfile => pipe::sendfile(c),
        Sys::SendfileAt => pipe::sendfile_at(c),
        Sys::CopyFileRange => pipe::copy_file_range(c),

        Sys::Read => fd::read(c),
        Sys::Write => fd::write(c),
        Sys::Readv => fd::readv(c),
        Sys::Writev => fd::writev(c),
        Sys::ReadvCount => fd::readv_n(c),
        Sys::WritevCount => fd::writev_n(c),
        Sys::Preadv2 => fd::preadv2(c),
        Sys::Pwritev2 => fd::pwritev2(c),
        Sys::Pread => fd::pread(c),
        Sys::Pwrite => fd::pwrite(c),

        Sys::Close => fd::registers(c, libc::SYS_close),
        Sys::CloseRange => fd::registers(c, libc::SYS_close_range),
        Sys::Dup => fd::registers(c, libc::SYS_dup),
        Sys::Dup2 => fd::registers(c, libc::SYS_dup2),
        Sys::Dup3 => fd::registers(c, libc::SYS_dup3),
        Sys::DupFd => fd::fcntl(c, libc::F_DUPFD),
        Sys::DupFdCloexec => fd::fcntl(c, libc::F_DUPFD_CLOEXEC),
        Sys::GetFd => fd::fcntl_bits(c, libc::F_GETFD, Bits::Descriptor),
        Sys::SetFd => fd::fcntl(c, libc::F_SETFD),
        Sys::GetFl => fd::fcntl_bits(c, libc::F_GETFL, Bits::Open),
        Sys::SetFl => fd::fcntl(c, libc::F_SETFL),
        Sys::SetOwn => fd::fcntl(c, libc::F_SETOWN),
        Sys::GetOwn => fd::get_own(c),
        Sys::SetSig => fd::fcntl(c, fd::F_SETSIG),
        Sys::FcntlUnknown => fd::registers(c, libc::SYS_fcntl),
        Sys::SetLk => fd::set_lock(c),
        Sys::Flock => fd::registers(c, libc::SYS_flock),
        Sys::Fionread => fd::ioctl_int(c, libc::FIONREAD),
        Sys::FionreadFault => fd::fionread_fault(c),
        Sys::Fionbio => fd::ioctl_on(c, libc::FIONBIO),
        Sys::Fioasync => fd::ioctl_on(c, libc::FIOASYNC),
        Sys::Fioclex => fd::ioctl(c, libc::FIOCLEX),
        Sys::Fionclex => fd::ioctl(c, libc::FIONCLEX),
        Sys::Figetbsz => fd::ioctl_int(c, fd::FIGETBSZ),
        Sys::IoctlUnknown => fd::ioctl_n(c),
        Sys::Isatty => fd::isatty(c),
        Sys::Lseek => fd::registers(c, libc::SYS_lseek),
        Sys::Ftruncate => fd::registers(c, libc::SYS_ftruncate),
        Sys::Fsync => fd::registers(c, libc::SYS_fsync),
        Sys::Fdatasync => fd::registers(c, libc::SYS_fdatasync),
        Sys::Fallocate => fd::fallocate(c),
        Sys::SyncFileRange => fd::registers(c, libc::SYS_sync_file_range),
        Sys::Fadvise => fd::registers(c, libc::SYS_fadvise64),
        Sys::Mmap => fd::mmap(c),
        Sys::Fstat => fd::fstat(c),
        Sys::FstatBlock => fd::fstat_blksize(c),
        Sys::FstatTimes => fd::fstat_times(c),
        Sys::Fchmod => fd::registers(c, libc::SYS_fchmod),
        Sys::Fchown => fd::registers(c, libc::SYS_fchown),
        Sys::Setrlimit => process::setrlimit(c),

        Sys::Mkfifo => fifo::mkfifo(c),
        Sys::Mkfifoat => fifo::mkfifoat(c),
        Sys::Mknod => fifo::mknod(c),
        Sys::Open => fifo::open(c),
        Sys::Unlink => fifo::path_call(c, libc::SYS_unlink),
        Sys::Rename => fifo::two_paths(c, libc::SYS_rename),
        Sys::Link => fifo::two_paths(c, libc::SYS_link),
        Sys::Symlink => fifo::two_paths(c, libc::SYS_symlink),
        Sys::Mkdir => fifo::path_call(c, libc::SYS_mkdir),
        Sys::Chmod => fifo::path_call(c, libc::SYS_chmod),
        Sys::Chown => fifo::path_call(c, libc::SYS_chown),
        Sys::Stat => fifo::stat(c),
        Sys::Truncate => fifo::path_call(c, libc::SYS_truncate),
        Sys::Reopen => fifo::open_fd(c),
        Sys::ReopenOf => fifo::open_fd_of(c),
        Sys::Execve => fifo::execve(c),
        Sys::Umask => process::umask(c),

        Sys::Setuid => fd::registers(c, libc::SYS_setuid),
        Sys::Setgid => fd::registers(c, libc::SYS_setgid),
        Sys::Seteuid => process::seteuid(c),
        Sys::Setgroups => fd::registers(c, libc::SYS_setgroups),

        Sys::MqOpen => posix_mq::open(c),
        Sys::MqOpenAttr => posix_mq::open_attr(c),
        Sys::MqOpenRaw => posix_mq::open_raw(c),
        Sys::MqUnlink => posix_mq::unlink(c),
        Sys::MqSend | Sys::MqTimedSend | Sys::MqTimedSendAt | Sys::MqTimedSendFault => {
            posix_mq::send(c)
        }
        Sys::MqReceive
        | Sys::MqReceiveTo
        | Sys::MqTimedReceive
        | Sys::MqTimedReceiveAt
        | Sys::MqTimedReceiveFault => posix_mq::receive(c),
        Sys::MqGetattr => posix_mq::get_attributes(c),
        Sys::MqSetattr | Sys::MqSetattrTo => posix_mq::set_attributes(c),
        Sys::MqNotifyNone
        | Sys::MqNotifySignal
        | Sys::MqNotifyNull
        | Sys::MqNotifyNumber
        | Sys::MqNotifyFault => posix_mq::notify(c),

        Sys::Poll => poll::poll(c),
        Sys::Ppoll | Sys::PpollRaw => poll::ppoll(c),
        Sys::Select | Sys::Pselect | Sys::SelectRaw | Sys::PselectRaw => select::select(c),
        Sys::EpollCreate => fd::registers(c, libc::SYS_epoll_create),
        Sys::EpollCreate1 => fd::registers(c, libc::SYS_epoll_create1),
        Sys::EpollCtl | Sys::EpollCtlFault => epoll::control(c),
        Sys::EpollWait | Sys::EpollPwait | Sys::EpollWaitFault => epoll::wait(c),
        Sys::Eventfd => fd::registers(c, libc::SYS_eventfd2),
        Sys::EventfdRead => eventfd::read(c),
        Sys::EventfdWrite => eventfd::write(c),

        Sys::Sigaction => signal::sigaction(c),
        Sys::SigactionGet => signal::sigaction_get(c),
        Sys::SigactionFault => signal::sigaction_fault(c),
        Sys::SigactionSize => signal::sigaction_size(c),
        Sys::Sigprocmask => signal::sigprocmask(c),
        Sys::SigprocmaskGet => signal::sigprocmask_get(c),
        Sys::SigprocmaskFault => signal::sigprocmask_fault(c),
        Sys::Sigpending => signal::sigpending(c),
        Sys::Kill => fd::registers(c, libc::SYS_kill),
        Sys::Tgkill => signal::tgkill(c),
        Sys::Segfault => signal::segfault(c),
        Sys::Raise => signal::raise(c),
        Sys::Sigqueue | Sys::SigqueueThread | Sys::SigqueueCode => signal::sigqueue(c),
        Sys::Sigsuspend => signal::sigsuspend(c),
        Sys::SigsuspendFault => signal::sigsuspend_fault(c),
        Sys::Pause => fd::registers(c, libc::SYS_pause),
        Sys::Sigwaitinfo | Sys::Sigtimedwait | Sys::SigtimedwaitAt => signal::sigwait(c),
        Sys::SigwaitFault => signal::sigwait_fault(c),
        Sys::Alarm => fd::registers(c, libc::SYS_alarm),
        Sys::Setitimer | Sys::SetitimerRaw => signal::setitimer(c),
        Sys::Getitimer => signal::getitimer(c),
        Sys::Signalfd => signal::signalfd(c),
        Sys::SignalfdRead => signal::read_signals(c),

        Sys::Setpgid => fd::registers(c, libc::SYS_setpgid),
        Sys::Getpgid => process::task_of(c, libc::SYS_getpgid),
        Sys::Getpgrp => process::task_of(c, libc::SYS_getpgrp),
        Sys::Setsid => process::task_of(c, libc::SYS_setsid),
        Sys::Getsid => process::task_of(c, libc::SYS_getsid),
        Sys::Killpg => process::killpg(c),

        Sys::Waitpid | Sys::WaitpidGroup | Sys::Wait4 => process::waitpid(c),
        Sys::Wait4Fault => process::wait4_fault(c),
        Sys::WaitidAll | Sys::WaitidPid | Sys::WaitidGroup | Sys::WaitidNumber => {
            process::waitid(c)
        }
        Sys::Exec => exec::exec(c),
        Sys::Subreaper => process::subreaper(c),

        Sys::MsgGet => fd::registers(c, libc::SYS_msgget),
        Sys::MsgSend => sysv_msg::send(c),
        Sys::MsgReceive => sysv_msg::receive(c),
        Sys::MsgStat => sysv_msg::status(c),
        Sys::MsgTimes => sysv_msg::times(c),
        Sys::MsgSet => sysv_msg::set(c),
        Sys::MsgRemove => sysv_msg::command(c, libc::IPC_RMID),
        Sys::MsgStatSlot => sysv_msg::command(c, sysv_msg::MSG_STAT),
        Sys::MsgStatAny => sysv_msg::command(c, sysv_msg::MSG_STAT_ANY),
        Sys::MsgLimits => sysv_msg::limits(c),
        Sys::MsgTotals => sysv_msg::totals(c),
        Sys::MsgControlNumber => sysv_msg::by_number(c),

        Sys::Fork => process::spawn(c, false),
        Sys::Thread => process::spawn(c, true),
        Sys::Exit => process::exit(c),
    }
}
