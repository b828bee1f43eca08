//! How far the comparison is: a live line on a terminal, a line for each case elsewhere.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

use crate::arms::Arm;

pub(super) struct Progress {
    bar: ProgressBar,
    case: std::cell::RefCell<String>,
}

impl Progress {
    /// The bar is drawn only between rounds, by the process that measures nothing.
    pub(super) fn new(visits: u64) -> Self {
        let bar = ProgressBar::new(visits);
        if let Ok(style) = ProgressStyle::with_template("{bar:24} {pos:>3}/{len} {elapsed:>4}  {msg}") {
            bar.set_style(style);
        }
        Self { bar, case: std::cell::RefCell::default() }
    }

    pub(super) fn begin(&self, case: &str) {
        if !std::io::stderr().is_terminal() {
            eprintln!("{case}");
        }
        case.clone_into(&mut self.case.borrow_mut());
    }

    pub(super) fn visit(&self, arm: Arm) {
        self.bar.set_message(format!("{}: {arm}", self.case.borrow()));
        self.bar.inc(1);
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
