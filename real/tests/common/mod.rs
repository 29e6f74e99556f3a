//! Programs from text, sandboxes, and runs written short.
#![allow(dead_code, missing_docs)]

use real::{Options, Run, RunError, Sandbox};
use scenario::{End, Event, Program, TaskId, What};

/// A sandbox with the default options.
pub fn sandbox() -> Sandbox {
    Sandbox::new(&Options::default()).expect("a sandbox")
}

/// The one program of a scenario. A first line is added that names it.
pub fn program(text: &str) -> Program {
    let text = format!(
        "test test/case\n\"A case.\"\n{}",
        text.trim_start_matches('\n')
    );
    match scenario::load("case.ipc", &text) {
        Ok(mut programs) => programs.remove(0),
        Err(e) => panic!("{e:?}\n{text}"),
    }
}

/// An ordering, by the tasks' names.
pub fn ordering(program: &Program, names: &str) -> Vec<TaskId> {
    let named = |n: &str| {
        program
            .task_named(n)
            .unwrap_or_else(|| panic!("no task {n}"))
    };
    names.split_whitespace().map(named).collect()
}

/// Runs a scenario in an ordering and writes down each step.
pub fn story(sandbox: &mut Sandbox, text: &str, order: &str) -> Vec<String> {
    let program = program(text);
    match run(sandbox, &program, order) {
        Ok(run) => tell(&program, &run),
        Err(e) => vec![format!("error: {e}")],
    }
}

pub fn run(sandbox: &mut Sandbox, program: &Program, order: &str) -> Result<Run, RunError> {
    sandbox.lockstep(program, &ordering(program, order))
}

pub fn tell(program: &Program, run: &Run) -> Vec<String> {
    let mut seen = Vec::new();
    let mut renamed = |e: &Event| {
        let what = match &e.what {
            What::Return(n, v) => What::Return(*n, scenario::rename(v, &mut seen)),
            other => other.clone(),
        };
        show(program, &Event { task: e.task, what })
    };
    let mut lines: Vec<String> = run
        .steps
        .iter()
        .map(|s| {
            s.events
                .iter()
                .map(&mut renamed)
                .collect::<Vec<_>>()
                .join("; ")
        })
        .collect();
    let left: Vec<String> = run
        .left
        .iter()
        .map(|&(task, end)| {
            show(
                program,
                &Event {
                    task,
                    what: What::End(end),
                },
            )
        })
        .collect();
    if !left.is_empty() {
        lines.push(left.join("; "));
    }
    lines
}

/// `reader 1` is the issue of its second call; `reader = 5` a return.
pub fn show(program: &Program, e: &Event) -> String {
    let name = &program.task(e.task).name;
    match &e.what {
        What::Issue(n) => format!("{name} {n}"),
        What::Block(_) => format!("{name} blocks"),
        What::Return(_, v) => format!("{name} = {v}"),
        What::Handle(h) => format!("{name} handles {} {} {}", h.signal, h.code, h.sender),
        What::End(End::Blocked(n)) => format!("{name} blocked {n}"),
        What::End(End::Stopped(n)) => format!("{name} stopped {n}"),
        What::End(end) => format!("{name} {end}"),
    }
}
