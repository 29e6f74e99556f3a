//! Small programs on message queues, each about one thing that threads can get wrong.

/// A message is handed over, or waits.
pub const MQ_ONE: &str = r#"
test model/mq-one
"One message reaches its receiver."
setup
  mq_open_attr("/q", O_CREAT|O_RDWR, 0o600, 1, 8) = q
process receiver
  mq_receive(q, 8) = a
process sender
  mq_send(q, "x", 3) = 0
always a == ["x", 3]
"#;

/// Two receivers, two messages.
pub const MQ_RECEIVERS: &str = r#"
test model/mq-receivers
"Each message goes to one receiver, and each receiver gets one."
setup
  mq_open_attr("/q", O_CREAT|O_RDWR, 0o600, 2, 8) = q
process one
  mq_receive(q, 8) = a
process two
  mq_receive(q, 8) = b
process sender
  mq_send(q, "x", 0) = 0
  mq_send(q, "y", 0) = 0
sometimes a == ["x", 0] and b == ["y", 0]
sometimes a == ["y", 0] and b == ["x", 0]
"#;

/// A sender sleeps for room.
pub const MQ_FULL: &str = r#"
test model/mq-full
"A receive puts the sleeping sender's message in."
setup
  mq_open_attr("/q", O_CREAT|O_RDWR, 0o600, 1, 8) = q
  mq_send(q, "x", 0) = 0
process sender
  mq_send(q, "y", 1) = 0
process receiver
  mq_receive(q, 8) = a
  mq_receive(q, 8) = b
always a == ["x", 0] and b == ["y", 1]
"#;

/// Priorities count among those that are in the queue.
pub const MQ_PRIORITIES: &str = r#"
test model/mq-priorities
"The receiver gets the greater first, unless it comes before it."
setup
  mq_open_attr("/q", O_CREAT|O_RDWR, 0o600, 2, 8) = q
process low
  mq_send(q, "l", 1) = 0
process high
  mq_send(q, "h", 2) = 0
process receiver
  mq_receive(q, 8) = a
  mq_receive(q, 8) = b
sometimes a == ["h", 2]
sometimes a == ["l", 1]
"#;

/// A receiver is disturbed while it is served.
pub const MQ_DISTURBED: &str = r#"
test model/mq-disturbed
"The message, or EINTR with the message left in the queue: never both, never neither."
setup
  mq_open_attr("/q", O_CREAT|O_RDWR, 0o600, 1, 8) = q
  mq_open("/q", O_RDONLY|O_NONBLOCK) = n
  sigaction(SIGUSR1, record) = 0
process receiver
  mq_receive(q, 8) = a
  mq_receive(n, 8) = b
process sender
  kill(receiver, SIGUSR1) = 0
  mq_send(q, "x", 0) = 0
sometimes a == ["x", 0]
sometimes a == -1 EINTR and b == ["x", 0]
sometimes a == -1 EINTR and b == -1 EAGAIN
"#;

/// A receiver is killed while it is served.
pub const MQ_KILLED: &str = r#"
test model/mq-killed
"The message dies with the receiver that it was given to, or stays."
setup
  mq_open_attr("/q", O_CREAT|O_RDWR, 0o600, 1, 8) = q
  mq_open("/q", O_RDONLY|O_NONBLOCK) = n
process receiver
  mq_receive(q, 8) = a
process sender
  kill(receiver, SIGTERM) = 0
  mq_send(q, "x", 0) = 0
  mq_receive(n, 8) = b
sometimes b == ["x", 0]
sometimes b == -1 EAGAIN and killed(receiver, SIGTERM)
"#;

/// A sender is killed while its message is taken in.
pub const MQ_SENDER_KILLED: &str = r#"
test model/mq-sender-killed
"What was taken in stays; what was not goes with its sender."
setup
  mq_open_attr("/q", O_CREAT|O_RDWR, 0o600, 1, 8) = q
  mq_open("/q", O_RDONLY|O_NONBLOCK) = n
  mq_send(q, "x", 0) = 0
process sender
  mq_send(q, "y", 0) = a
process receiver
  kill(sender, SIGTERM) = 0
  mq_receive(n, 8) = b
  mq_receive(n, 8) = c
always b == ["x", 0]
sometimes c == ["y", 0] and killed(sender, SIGTERM)
sometimes c == -1 EAGAIN
"#;

/// Messages by type.
pub const MSG_TYPES: &str = r#"
test model/msg-types
"Each receiver gets the message of its type."
setup
  msgget(IPC_PRIVATE, IPC_CREAT|0o600) = q
process one
  msgrcv(q, 8, 1) = a
process two
  msgrcv(q, 8, -2) = b
process sender
  msgsnd(q, 2, "y") = 0
  msgsnd(q, 1, "x") = 0
sometimes a == [1, "x"] and b == [2, "y"]
sometimes blocked(one) and b == [1, "x"]
"#;

/// One receive makes room for two senders.
pub const MSG_ROOM: &str = r#"
test model/msg-room
"Two bytes get free, and two senders sleep for one each."
setup
  msgget(IPC_PRIVATE, IPC_CREAT|0o600) = q
  msgctl(q, IPC_SET, 0, 0, 0o600, 2) = 0
  msgsnd(q, 1, "xx") = 0
process one
  msgsnd(q, 1, "y") = a
process two
  msgsnd(q, 1, "z") = b
process receiver
  msgrcv(q, 8, 0) = c
always a == 0 and b == 0 and c == [1, "xx"]
"#;

/// The queue goes while a sender sleeps.
pub const MSG_SENDER_REMOVED: &str = r#"
test model/msg-sender-removed
"A sender of a queue that goes: EIDRM if it has found it, EINVAL if not."
setup
  msgget(IPC_PRIVATE, IPC_CREAT|0o600) = q
  msgctl(q, IPC_SET, 0, 0, 0o600, 1) = 0
  msgsnd(q, 1, "x") = 0
process sender
  msgsnd(q, 1, "y") = a
process remover
  msgctl(q, IPC_RMID) = 0
sometimes a == -1 EIDRM
sometimes a == -1 EINVAL
"#;

/// The queue goes while a receiver sleeps.
pub const MSG_RECEIVER_REMOVED: &str = r#"
test model/msg-receiver-removed
"A receiver of a queue that goes, and a sender beside it."
setup
  msgget(IPC_PRIVATE, IPC_CREAT|0o600) = q
process receiver
  msgrcv(q, 8, 0) = a
process sender
  msgsnd(q, 1, "x") = b
process remover
  msgctl(q, IPC_RMID) = 0
sometimes a == [1, "x"]
sometimes a == -1 EIDRM and b == 0
sometimes a == -1 EIDRM and b == -1 EIDRM
"#;

/// One message fails one receiver and reaches the other.
pub const MSG_TOO_LONG: &str = r#"
test model/msg-too-long
"A message that is too long for one is offered to the other."
setup
  msgget(IPC_PRIVATE, IPC_CREAT|0o600) = q
process one
  msgrcv(q, 1, 0) = a
process two
  msgrcv(q, 8, 0) = b
process sender
  msgsnd(q, 1, "xyz") = 0
sometimes a == -1 E2BIG and b == [1, "xyz"]
"#;

/// A receiver is disturbed while it is served; no handler makes it start over.
pub const MSG_DISTURBED: &str = r#"
test model/msg-disturbed
"The message, or EINTR with the message left in the queue."
setup
  msgget(IPC_PRIVATE, IPC_CREAT|0o600) = q
  sigaction(SIGUSR1, record, SA_RESTART) = 0
process receiver
  msgrcv(q, 8, 0) = a
  msgrcv(q, 8, 0, IPC_NOWAIT) = b
process sender
  kill(receiver, SIGUSR1) = 0
  msgsnd(q, 1, "x") = 0
sometimes a == [1, "x"]
sometimes a == -1 EINTR and b == [1, "x"]
sometimes a == -1 EINTR and b == -1 ENOMSG
"#;

/// A receiver is killed while it is served.
pub const MSG_KILLED: &str = r#"
test model/msg-killed
"The message dies with the receiver that it was given to, or stays."
setup
  msgget(IPC_PRIVATE, IPC_CREAT|0o600) = q
process receiver
  msgrcv(q, 8, 0) = a
process sender
  kill(receiver, SIGTERM) = 0
  msgsnd(q, 1, "x") = 0
  msgrcv(q, 8, 0, IPC_NOWAIT) = b
sometimes b == [1, "x"]
sometimes b == -1 ENOMSG and killed(receiver, SIGTERM)
"#;

/// Room that comes with a greater limit.
pub const MSG_LIMIT_RAISED: &str = r#"
test model/msg-limit-raised
"Senders sleep for room, receivers for messages; IPC_SET wakes both."
setup
  msgget(IPC_PRIVATE, IPC_CREAT|0o600) = q
  msgctl(q, IPC_SET, 0, 0, 0o600, 1) = 0
  msgsnd(q, 1, "x") = 0
process sender
  msgsnd(q, 1, "y") = a
process receiver
  msgrcv(q, 8, 2) = b
process setter
  msgctl(q, IPC_SET, 0, 0, 0o600, 2) = 0
always a == 0 and blocked(receiver)
"#;
