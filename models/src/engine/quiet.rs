//! Runs an engine on a thread of its own, whose panics are an error and not noise.
//!
//! loom and shuttle tell of a failure by a panic, and shuttle hangs a hook over the whole process
//! that calls every later panic of anybody a "failing schedule", loom's too. Both would print.
//! So: shuttle hangs up its hook once, at a time of our choosing, and it is taken down again; in
//! its place comes one that keeps still on threads that run an engine, and leaves all
//! others to the hook that was there before.

use crate::report::ModelError;
use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;
use std::thread;

thread_local! {
    /// Whether this thread runs an engine.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

fn hang_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        let mut config = ::shuttle::Config::new();
        config.failure_persistence = ::shuttle::FailurePersistence::None;
        let scheduler = ::shuttle::scheduler::DfsScheduler::new(Some(1), false);
        ::shuttle::Runner::new(scheduler, config).run(|| {});
        drop(panic::take_hook());
        panic::set_hook(Box::new(move |info| {
            if !QUIET.try_with(Cell::get).unwrap_or(false) {
                before(info);
            }
        }));
    });
}

/// What a panic said.
fn message(payload: &(dyn Any + Send)) -> String {
    match (
        payload.downcast_ref::<&str>(),
        payload.downcast_ref::<String>(),
    ) {
        (Some(s), _) => (*s).to_string(),
        (_, Some(s)) => s.clone(),
        _ => "it panicked".to_string(),
    }
}

/// Runs `body` on a thread of its own.
///
/// # Errors
/// What it said, if it panics, or if there is no thread to be had.
pub(super) fn quietly<T: Send + 'static>(
    engine: &'static str,
    body: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ModelError> {
    hang_hook();
    let failed = |why: String| ModelError::Failed { engine, why };
    let thread = thread::Builder::new()
        .name(engine.to_string())
        .spawn(move || {
            QUIET.set(true);
            panic::catch_unwind(AssertUnwindSafe(body))
        })
        .map_err(|e| failed(format!("no thread to run it on: {e}")))?;
    match thread.join() {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(payload)) | Err(payload) => Err(failed(message(&*payload))),
    }
}
