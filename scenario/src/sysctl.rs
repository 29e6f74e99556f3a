//! The limits that an IPC namespace has of its own, as `sysctl` names them.
//!
//! The list is closed: whatever else `/proc/sys` has is the machine's, and no scenario reaches it.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! sysctls {
    ($($(#[$doc:meta])* $id:ident = $name:literal,)*) => {
        /// A limit of an IPC namespace.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Sysctl { $($(#[$doc])* $id,)* }

        impl Sysctl {
            /// Every limit.
            pub const ALL: &'static [Sysctl] = &[$(Sysctl::$id),*];

            /// Its name.
            pub fn name(self) -> &'static str {
                match self { $(Sysctl::$id => $name,)* }
            }
        }
    };
}

sysctls! {
    /// Most bytes of a System V message.
    MsgMax = "kernel.msgmax",
    /// Most bytes in a System V message queue that is made from now on.
    MsgMnb = "kernel.msgmnb",
    /// Most System V message queues.
    MsgMni = "kernel.msgmni",
    /// Most POSIX message queues.
    QueuesMax = "fs.mqueue.queues_max",
    /// Most messages that a POSIX queue can be made for.
    MqMsgMax = "fs.mqueue.msg_max",
    /// Most bytes of a message that a POSIX queue can be made for.
    MqMsgsizeMax = "fs.mqueue.msgsize_max",
    /// Messages of a POSIX queue that is made without attributes.
    MqMsgDefault = "fs.mqueue.msg_default",
    /// Bytes of a message of a POSIX queue that is made without attributes.
    MqMsgsizeDefault = "fs.mqueue.msgsize_default",
}

impl Sysctl {
    /// The limit of that name.
    pub fn from_name(name: &str) -> Option<Sysctl> {
        Self::ALL.iter().copied().find(|s| s.name() == name)
    }

    /// Whether it is about System V message queues; else it is about POSIX ones.
    pub fn is_system_v(self) -> bool {
        matches!(self, Sysctl::MsgMax | Sysctl::MsgMnb | Sysctl::MsgMni)
    }
}

impl fmt::Display for Sysctl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
