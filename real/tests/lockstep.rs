//! Programs whose every value is known.

mod common;
use common::*;
use scenario::Sys;

#[test]
fn a_pipe_blocks_and_ends() {
    let program = Make::new()
        .bound(Sys::Pipe, &[], pair(0, 1))
        .process("writer")
        .call(Sys::Close, &[var(0)])
        .call(Sys::Write, &[var(1), text("hello")])
        .process("reader")
        .call(Sys::Close, &[var(1)])
        .call(Sys::Read, &[var(0), int(64)])
        .call(Sys::Read, &[var(0), int(64)])
        .done();
    let mut sandbox = sandbox();
    eprintln!("{:?}", sandbox.facts());
    for _ in 0..3 {
        assert_eq!(
            story(&mut sandbox, &program, &[2, 2, 1, 1, 2, 1]),
            [
                "setup = [3, 4]",
                "reader 0; reader = 0",
                "reader 1; reader blocks",
                "writer 0; writer = 0",
                "writer 1; writer = 5; reader = \"hello\"",
                "reader 2; reader blocks",
                "writer 2; writer exited 0; reader = \"\"",
                "reader 3; reader exited 0",
            ]
        );
    }
}
