//! System V message queues: a few keys, a few types, every way to select, room that is raised and
//! lowered, limits too, removal under those who wait.

use super::plan::{Handle, Mechanism, Part, Pick, Writer, Written, flags, parts, pick};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use scenario::Sysctl;

const NAME: &str = "sysv_msg";

pub(super) const MECHANISM: Mechanism = Mechanism {
    name: NAME,
    // A run that has these needs an IPC namespace of its own, which takes time.
    percent: 30,
    setup: || vec(parts(made()), 0..3).boxed(),
    steps,
};

/// A queue of the setup: its key, and its most bytes if they are set.
#[derive(Clone, Debug)]
struct Made(u8, Option<u32>);

fn made() -> impl Strategy<Value = Made> {
    (0..3u8, prop::option::of(most())).prop_map(|(key, most)| Made(key, most))
}

fn most() -> impl Strategy<Value = u32> {
    select(&[0u32, 1, 2, 8, 20, 16384, 16385][..])
}

impl Written for Made {
    fn write(&self, w: &mut Writer) {
        let id = get(w, self.0, 1);
        if let Some(most) = self.1 {
            w.line(format!("msgctl({id}, IPC_SET, 0, 0, 0o600, {most})"));
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// A key, and 0 no `IPC_CREAT`, 1 with it, 2 with `IPC_EXCL` too.
    Get(u8, u8),
    Send(Pick, i8, u32, bool),
    Receive(Pick, u32, i8, Selection),
    Set(Pick, u32),
    Remove(Pick),
    Stat(Pick, u8),
    Limit(Sysctl, u32),
}

/// Limits near what is sent and what there is.
fn limit() -> impl Strategy<Value = Step> {
    let longest = select(&[0u32, 1, 2, 8, 8192][..]);
    prop_oneof![
        longest.prop_map(|n| Step::Limit(Sysctl::MsgMax, n)),
        most().prop_map(|n| Step::Limit(Sysctl::MsgMnb, n)),
        (0..4u32).prop_map(|n| Step::Limit(Sysctl::MsgMni, n)),
    ]
}

/// The flags of a receive.
#[derive(Clone, Copy, Debug)]
struct Selection {
    nowait: bool,
    noerror: bool,
    except: bool,
    copy: bool,
}

fn steps() -> Vec<(u32, BoxedStrategy<Part>)> {
    use Step::*;
    let sometimes = prop::bool::weighted;
    let length = || select(&[0u32, 1, 1, 1, 2, 5, 8, 100][..]);
    let size = || select(&[0u32, 1, 2, 8, 100, 100, 100, 100][..]);
    let kind = || select(&[1i8, 1, 2, 2, 3, 3, 0, -1][..]);
    let selection = (
        sometimes(0.3),
        sometimes(0.3),
        sometimes(0.2),
        sometimes(0.1),
    )
        .prop_map(|(nowait, noerror, except, copy)| Selection {
            // A copy may not wait.
            nowait: nowait || copy,
            noerror,
            except,
            copy,
        });
    let receive = (pick(), size(), -4..5i8, selection);
    let send = (pick(), kind(), length(), sometimes(0.2));
    vec![
        (4, parts((0..4u8, 0..3u8).prop_map(|(k, c)| Get(k, c)))),
        (15, parts(send.prop_map(|(q, t, n, w)| Send(q, t, n, w)))),
        (
            15,
            parts(receive.prop_map(|(q, n, t, s)| Receive(q, n, t, s))),
        ),
        (4, parts((pick(), most()).prop_map(|(q, n)| Set(q, n)))),
        (2, parts(pick().prop_map(Remove))),
        (4, parts((pick(), 0..4u8).prop_map(|(q, w)| Stat(q, w)))),
        (2, parts(limit())),
    ]
}

impl Written for Step {
    fn write(&self, w: &mut Writer) {
        match *self {
            Step::Get(key, create) => {
                get(w, key, create);
            }
            Step::Send(q, kind, length, nowait) => {
                let data = w.message(length);
                let words = if nowait { ", IPC_NOWAIT" } else { "" };
                w.line(format!("msgsnd({}, {kind}, {data}{words})", w.id(q, NAME)));
            }
            Step::Receive(q, size, kind, s) => {
                let name = w.name("x");
                let words = flags(&[
                    (s.nowait, "IPC_NOWAIT"),
                    (s.noerror, "MSG_NOERROR"),
                    (s.except, "MSG_EXCEPT"),
                    (s.copy, "MSG_COPY"),
                ]);
                let id = w.id(q, NAME);
                w.line(format!("msgrcv({id}, {size}, {kind}, {words}) = {name}"));
            }
            Step::Set(q, most) => {
                let id = w.id(q, NAME);
                w.line(format!("msgctl({id}, IPC_SET, 0, 0, 0o600, {most})"));
            }
            Step::Limit(which, n) => w.line(format!("sysctl_write(\"{which}\", {n})")),
            Step::Remove(q) => w.line(format!("msgctl({}, IPC_RMID)", w.id(q, NAME))),
            Step::Stat(q, what) => {
                let id = w.id(q, NAME);
                w.line(match what {
                    0 => format!("msgctl({id}, MSG_INFO)"),
                    1 => format!("msgctl_times({id})"),
                    2 => format!("msgctl({id}, IPC_INFO)"),
                    _ => format!("msgctl({id}, IPC_STAT)"),
                });
            }
        }
    }
}

/// `msgget`; gives the name of the id.
fn get(w: &mut Writer, key: u8, create: u8) -> String {
    let key = match key {
        0 => "IPC_PRIVATE".to_string(),
        key => key.to_string(),
    };
    let words = flags(&[
        (create > 0, "IPC_CREAT"),
        (create > 1, "IPC_EXCL"),
        (true, "0o600"),
    ]);
    let name = w.name("m");
    w.line(format!("msgget({key}, {words}) = {name}"));
    w.has(Handle::id(&name, NAME));
    name
}
