//! The first process of a sandbox: sets up its surroundings, then does jobs until its caller is
//! gone.

use crate::arena::Arena;
use crate::facts::{Facts, Namespace};
use crate::options::{Options, Quiet};
use crate::stage::{Theatre, real_time};
use crate::wire::{Failure, Job, Mail, Note};
use std::ffi::CString;
use std::os::fd::{AsRawFd, OwnedFd};

/// What the guard found out before it started this process.
pub(crate) struct Given {
    pub options: Options,
    pub namespaces: Vec<Namespace>,
    pub user_namespace: bool,
    /// The directory to work in where there is no mount namespace.
    pub bare_home: Option<String>,
    pub cpus: Vec<usize>,
    pub cpu: usize,
}

/// Does jobs until the caller hangs up.
pub(crate) fn main(bell: &OwnedFd, mail: &Mail, given: Given) -> Result<(), String> {
    let mut house = match House::set_up(given) {
        Ok(house) => house,
        Err(why) => {
            let _ = mail.note(&Note::Refused(why.clone()));
            let _ = ring(bell);
            return Err(why);
        }
    };
    mail.note(&Note::Ready(Box::new(house.facts.clone())))
        .map_err(|e| format!("{e:?}"))?;
    ring(bell).map_err(|e| e.to_string())?;
    while heard(bell) {
        if let Err(failure) = mail
            .job()
            .map_err(Failure::Harness)
            .and_then(|j| house.perform(j, mail))
        {
            let _ = mail.note(&Note::Failed(failure));
        }
        if ring(bell).is_err() {
            break;
        }
    }
    house.leave();
    Ok(())
}

/// Rings at the other end.
pub(crate) fn ring(bell: &OwnedFd) -> std::io::Result<()> {
    // SAFETY: one byte is read from a valid place.
    match unsafe {
        libc::send(
            bell.as_raw_fd(),
            [1u8].as_ptr().cast(),
            1,
            libc::MSG_NOSIGNAL,
        )
    } {
        1 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

/// Waits until the other end rings; false when it has hung up.
fn heard(bell: &OwnedFd) -> bool {
    let mut byte = [0u8];
    loop {
        // SAFETY: one byte is stored at a valid place.
        match unsafe { libc::read(bell.as_raw_fd(), byte.as_mut_ptr().cast(), 1) } {
            1 => return true,
            0 => return false,
            _ if std::io::Error::last_os_error().raw_os_error() == Some(libc::EINTR) => {}
            _ => return false,
        }
    }
}

struct House {
    facts: Facts,
    theatre: Theatre,
    bare_home: Option<String>,
}

impl House {
    fn set_up(given: Given) -> Result<House, String> {
        let has = |name: &str| {
            given
                .namespaces
                .iter()
                .any(|n| n.name == name && n.refused.is_none())
        };
        // SAFETY: plain system calls on this process.
        unsafe {
            libc::setsid();
            libc::umask(0);
            libc::prctl(libc::PR_SET_NAME, c"lockstep-host".as_ptr());
            // The first process of a namespace gets orphans anyway.
            libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1);
        }
        let home = match &given.bare_home {
            Some(home) => home.clone(),
            None => {
                crate::exec::prepare();
                enclose()?;
                "/run".into()
            }
        };
        let arena = Arena::new().map_err(|e| format!("no address space for the workers: {e}"))?;
        let (quiet, quiet_reason) = choose_quiet(given.options.quiet, given.cpu, &given.cpus)?;
        let facilities = ["fs/mqueue"].into_iter().zip(["posix_mq"]);
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let capabilities = capabilities();
        let facts = Facts {
            release: release.trim().to_string(),
            root: is_root(capabilities, given.user_namespace),
            user_namespace: given.user_namespace,
            capabilities,
            quiet,
            quiet_reason,
            nice_refused: crate::nice::refusal(),
            cpus: given.cpus.clone(),
            cpu: given.cpu,
            limits_refused: match has("ipc") {
                true => crate::sysctl::refusal(),
                false => Some("the sandbox has no ipc namespace".into()),
            },
            facilities: facilities
                .filter(|f| std::path::Path::new("/proc/sys").join(f.0).exists())
                .map(|f| f.1.to_string())
                .chain(crate::terminal::is_there().then(|| "pty".into()))
                .collect(),
            namespaces: given.namespaces.clone(),
        };
        let mut theatre = Theatre::new(arena, quiet, home);
        // Before 5.16 a process that dumped core took all that shared its memory with it.
        theatre.may_share = !given.options.own_memory && facts.version() >= (5, 16);
        theatre.closed = has("mount");
        theatre.step_deadline = given.options.step_deadline;
        theatre.run_deadline = given.options.run_deadline;
        Ok(House {
            facts,
            theatre,
            bare_home: given.bare_home,
        })
    }

    fn perform(&mut self, job: Job, mail: &Mail) -> Result<(), Failure> {
        match job {
            Job::Lockstep {
                program,
                ordering,
                slow,
            } => {
                let program = program.program();
                crate::nice::play(&mut self.theatre, &program, |theatre| {
                    crate::lockstep::run(theatre, &program, &ordering, slow, mail)
                })
            }
            Job::Race {
                program,
                rounds,
                cpus,
                seed,
            } => {
                let (all, one) = (self.facts.cpus.clone(), self.facts.cpu);
                let lane = crate::race::Lane {
                    all: &all,
                    one,
                    cpus,
                };
                let program = program.program();
                crate::nice::play(&mut self.theatre, &program, |theatre| {
                    crate::race::run(theatre, &program, rounds, lane, seed, mail)
                })
            }
            Job::PingPong { rounds } => {
                let time = crate::pingpong::measure(&self.theatre, rounds)?;
                mail.note(&Note::PingPong(time.as_nanos() as u64))
            }
        }
    }

    fn leave(&self) {
        if let Some(home) = &self.bare_home {
            let _ = std::fs::remove_dir_all(home);
        }
    }
}

/// Leaves the machine's files behind: a memory file system as root, with a `/proc` of its own.
fn enclose() -> Result<(), String> {
    let ground = ["/tmp", "/mnt", "/proc"]
        .into_iter()
        .find(|d| std::path::Path::new(d).is_dir())
        .ok_or("no directory to mount on")?;
    mount("none", "/", "", libc::MS_REC | libc::MS_PRIVATE, "")?;
    let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_STRICTATIME;
    mount("lockstep", ground, "tmpfs", flags, "mode=0755,size=256m")?;
    let inside = |name: &str| format!("{ground}/{name}");
    for name in ["proc", "run", "dev", "dev/pts"] {
        std::fs::create_dir(inside(name)).map_err(|e| format!("{}: {e}", inside(name)))?;
    }
    let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    mount("proc", &inside("proc"), "proc", flags, "")?;
    crate::terminal::enclose(ground);
    std::env::set_current_dir(ground).map_err(|e| format!("{ground}: {e}"))?;
    // SAFETY: valid strings.
    unsafe {
        if libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()) != 0
            || libc::umount2(c".".as_ptr(), libc::MNT_DETACH) != 0
        {
            return Err(format!("pivot_root: {}", std::io::Error::last_os_error()));
        }
    }
    std::env::set_current_dir("/").map_err(|e| format!("/: {e}"))
}

fn mount(what: &str, on: &str, kind: &str, flags: u64, options: &str) -> Result<(), String> {
    let c = |s: &str| CString::new(s).map_err(|e| e.to_string());
    let (c_what, c_on, c_kind, c_options) = (c(what)?, c(on)?, c(kind)?, c(options)?);
    // SAFETY: valid strings.
    let result = unsafe {
        libc::mount(
            c_what.as_ptr(),
            c_on.as_ptr(),
            c_kind.as_ptr(),
            flags,
            c_options.as_ptr().cast(),
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(format!(
            "mount {what} on {on}: {}",
            std::io::Error::last_os_error()
        )),
    }
}

/// Removes what a scenario put at the root of the sandbox.
pub(crate) fn sweep() -> std::io::Result<()> {
    for entry in std::fs::read_dir("/")? {
        let entry = entry?;
        if ["proc", "run", "dev"]
            .iter()
            .any(|n| entry.file_name() == *n)
        {
            continue;
        }
        if entry.file_type()?.is_dir() {
            std::fs::remove_dir_all(entry.path())?;
        } else {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Takes up a method of knowing quiet, the best that works if none is asked for.
fn choose_quiet(wish: Quiet, cpu: usize, cpus: &[usize]) -> Result<(Quiet, String), String> {
    if wish == Quiet::DoubleCollect {
        return match crate::quiet::counts_runs() {
            true => Ok((wish, "asked for".into())),
            false => Err("this kernel does not count how often a task runs (schedstat)".into()),
        };
    }
    if let Err(e) = pin(&[cpu]) {
        return match wish {
            Quiet::Auto if crate::quiet::counts_runs() => Ok((
                Quiet::DoubleCollect,
                format!("cannot stay on CPU {cpu}: {e}"),
            )),
            _ => Err(format!("cannot stay on CPU {cpu}: {e}")),
        };
    }
    if wish == Quiet::Pinned {
        return Ok((wish, "asked for".into()));
    }
    match real_time(0, 1) {
        Ok(()) if wish == Quiet::Auto => Ok((Quiet::Realtime, "real-time is permitted".into())),
        Ok(()) => Ok((Quiet::Realtime, "asked for".into())),
        Err(e) if wish == Quiet::Auto => {
            Ok((Quiet::Pinned, format!("real-time is not permitted: {e}")))
        }
        Err(e) => {
            let _ = pin(cpus);
            Err(format!("real-time is not permitted: {e}"))
        }
    }
}

/// Keeps this process on some CPUs.
pub(crate) fn pin(cpus: &[usize]) -> std::io::Result<()> {
    // SAFETY: zeroes are an empty set; the macro checks the numbers.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        for &cpu in cpus {
            if cpu < libc::CPU_SETSIZE as usize {
                libc::CPU_SET(cpu, &mut set);
            }
        }
        match libc::sched_setaffinity(0, size_of_val(&set), &set) {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        }
    }
}

/// The capabilities in effect.
fn capabilities() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("CapEff:"));
    line.and_then(|l| u64::from_str_radix(l.trim(), 16).ok())
        .unwrap_or(0)
}

/// Whether this is user id 0 of a machine, with other user ids to change to.
fn is_root(capabilities: u64, user_namespace: bool) -> bool {
    // Changing owners, passing over modes, signalling anyone, changing ids.
    const USUAL: u64 = 1 | 1 << 1 | 1 << 3 | 1 << 5 | 1 << 6 | 1 << 7;
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let ids: u64 = map
        .lines()
        .filter_map(|l| l.split_whitespace().nth(2)?.parse::<u64>().ok())
        .sum();
    // SAFETY: takes nothing.
    let uid = unsafe { libc::geteuid() };
    uid == 0 && !user_namespace && capabilities & USUAL == USUAL && ids > 65_535
}
