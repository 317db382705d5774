//! A bar on the terminal while a long file goes to the daemon. Nothing where no person looks, and nothing that stays.

use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

/// Between two drawings. More often could not be seen.
const EVERY: Duration = Duration::from_millis(100);

/// Cells of the bar.
const WIDTH: u64 = 30;

/// Shows how far something is.
pub(super) struct Progress {
    name: &'static str,
    done: u64,
    of: u64,
    drawn: Option<Instant>,
    begun: Instant,
    is_shown: bool,
}

impl Progress {
    /// Of so many.
    pub(super) fn new(name: &'static str, of: u64) -> Self {
        let is_shown = io::stderr().is_terminal();
        Self { name, done: 0, of, drawn: None, begun: Instant::now(), is_shown }
    }

    /// So many more are done.
    pub(super) fn add(&mut self, count: usize) {
        self.done += count as u64;
        let last = self.drawn.unwrap_or(self.begun);
        if self.is_shown && last.elapsed() >= EVERY {
            self.drawn = Some(Instant::now());
            show(&format!("\r{}\x1b[K", bar(self.name, self.done, self.of)));
        }
    }

    /// Takes the bar away.
    pub(super) fn clear(&mut self) {
        if self.drawn.take().is_some() {
            show("\r\x1b[K");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

fn bar(name: &str, done: u64, of: u64) -> String {
    let full = done.min(of) * WIDTH / of.max(1);
    let cells: String = (0..WIDTH).map(|cell| if cell < full { '#' } else { '-' }).collect();
    format!("{name} [{cells}] {done} of {of}")
}

/// It cannot be told when even that fails.
fn show(text: &str) {
    drop(io::stderr().write_all(text.as_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_fills_from_the_left_and_never_flows_over() {
        assert_eq!(bar("zsh", 1, 2), format!("zsh [{}{}] 1 of 2", "#".repeat(15), "-".repeat(15)));
        assert_eq!(bar("zsh", 9, 2), format!("zsh [{}] 9 of 2", "#".repeat(30)));
        assert_eq!(bar("zsh", 0, 0), format!("zsh [{}] 0 of 0", "-".repeat(30)));
    }
}
