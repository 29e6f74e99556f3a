//! A progress bar on standard error, if that is a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal};
use std::time::Duration;

/// The bar.
pub struct Progress(ProgressBar);

impl Progress {
    /// A bar for so many jobs; nothing if there is no terminal, or one job only.
    pub fn new(jobs: usize) -> Progress {
        if jobs < 2 || !io::stderr().is_terminal() {
            return Progress(ProgressBar::hidden());
        }
        let bar = ProgressBar::with_draw_target(Some(jobs as u64), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{bar:32} {pos}/{len} {elapsed} {wide_msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(Duration::from_millis(200));
        Progress(bar)
    }

    /// A job is done; `write` writes its result, the bar being out of the way.
    pub fn done<R>(&self, name: &str, write: impl FnOnce() -> R) -> R {
        let result = self.0.suspend(write);
        self.0.inc(1);
        self.0.set_message(name.to_string());
        result
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
