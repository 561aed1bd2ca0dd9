//! A bar that shows how far the run is, on a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// One bar, that changes its meaning from stage to stage.
pub(crate) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Nothing is shown when it is to be quiet, or where no terminal is.
    pub(crate) fn new(is_quiet: bool) -> Progress {
        let target = if is_quiet {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        let bar = ProgressBar::with_draw_target(Some(1), target);
        let style = ProgressStyle::with_template("{prefix:>11} {bar:40.cyan/blue} {msg}");
        bar.set_style(style.expect("the template is valid").progress_chars("━╸─"));
        Progress { bar }
    }

    /// Shows a stage that is `done` of `all`.
    pub(crate) fn show(&self, stage: &'static str, done: u64, all: u64, message: String) {
        self.bar.set_prefix(stage);
        self.bar.set_length(all);
        self.bar.set_position(done);
        self.bar.set_message(message);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
