//! The same work in several processes at once: bodies with real programs mostly wait. Each process runs some seeds of one
//! body, so that nothing that a body looks at in its own process is anybody else's.

use std::{
    path::Path,
    process::{Command, Stdio},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use chaos_tests::report::Line;

use crate::work::{Outcome, Work};

/// Runs all of it in so many processes at a time, and gives each line when all of its seeds have run.
pub(crate) fn run(work: &[Work], jobs: usize, results: &Path, print: impl Fn(&Work, &Line) + Sync) -> Vec<Line> {
    let parts: Vec<(usize, Work)> = work.iter().enumerate().flat_map(|(at, one)| in_parts(at, one, jobs)).collect();
    let begun: Vec<Mutex<Gathered>> = (0..work.len())
        .map(|at| {
            Mutex::new(Gathered { waits_for: parts.iter().filter(|(of, _)| *of == at).count(), ..Gathered::default() })
        })
        .collect();
    let (next, lines) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while let Some((at, part)) = parts.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = elsewhere(part, results);
                    let Some(outcome) = lock(&begun[*at]).add(outcome) else { continue };
                    let line = work[*at].line(outcome);
                    let mut lines = lock(&lines);
                    print(&work[*at], &line);
                    lines.push(line);
                }
            });
        }
    });
    lines.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// What has come of a body so far.
#[derive(Default)]
struct Gathered {
    waits_for: usize,
    outcome: Outcome,
}

impl Gathered {
    /// All of it, with the last part.
    fn add(&mut self, part: Outcome) -> Option<Outcome> {
        let Outcome { failed, needs, seconds } = &mut self.outcome;
        failed.extend(part.failed);
        *needs = needs.take().or(part.needs);
        *seconds += part.seconds;
        self.waits_for -= 1;
        (self.waits_for == 0).then(|| std::mem::take(&mut self.outcome))
    }
}

/// Its seeds in as many parts as there are processes.
fn in_parts(at: usize, work: &Work, jobs: usize) -> Vec<(usize, Work)> {
    let seeds = &work.seeds;
    let size = (seeds.end - seeds.start).div_ceil(jobs as u64).max(1);
    let starts = seeds.clone().step_by(usize::try_from(size).unwrap_or(usize::MAX));
    starts.map(|start| (at, Work { seeds: start..(start + size).min(seeds.end), ..work.clone() })).collect()
}

/// In a process of its own. One that ends without an answer has failed.
fn elsewhere(work: &Work, results: &Path) -> Outcome {
    let Work { scenario, body, twin, seeds, brief } = work;
    let failed = |why: String| Outcome { failed: vec![why], ..Outcome::default() };
    let own = match std::env::current_exe() {
        Ok(own) => own,
        Err(error) => return failed(format!("this program is not where it was: {error}")),
    };
    let mut command = Command::new(own);
    command.args(["--id", scenario.id, "--tier", &body.tier.to_string(), "--json"]);
    command.args(["--seed", &seeds.start.to_string(), "-n", &(seeds.end - seeds.start).to_string()]);
    command.arg("--results").arg(results);
    if let Some(twin) = twin {
        command.args(["--without", &twin.name()]);
    }
    if *brief {
        command.arg("--brief");
    }
    match command.stdin(Stdio::null()).stderr(Stdio::inherit()).output() {
        Ok(ended) => serde_json::from_slice(&ended.stdout).unwrap_or_else(|_| {
            failed(format!("{} {} from seed {}: ended with {}", scenario.id, body.tier, seeds.start, ended.status))
        }),
        Err(error) => failed(format!("it cannot be run: {error}")),
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use chaos_tests::catalogue::ALL;

    use super::*;

    fn work(seeds: std::ops::Range<u64>) -> Work {
        let scenario = ALL[0];
        Work { scenario, body: &scenario.bodies[0], twin: None, seeds, brief: true }
    }

    #[test]
    fn every_seed_is_in_one_part() {
        for (count, jobs) in [(1, 1), (1, 6), (5, 3), (6, 3), (7, 3), (50, 6), (50, 64)] {
            let parts = in_parts(4, &work(10..10 + count), jobs);
            assert!(parts.len() <= jobs && parts.iter().all(|(at, _)| *at == 4));
            let seeds: Vec<u64> = parts.into_iter().flat_map(|(_, part)| part.seeds).collect();
            assert_eq!(seeds, (10..10 + count).collect::<Vec<_>>(), "{count} seeds, {jobs} processes");
        }
    }

    #[test]
    fn a_body_is_done_with_its_last_part_and_has_what_all_of_them_found() {
        let mut gathered = Gathered { waits_for: 2, ..Gathered::default() };
        let part = |why: &str| Outcome { failed: vec![why.to_owned()], needs: Some(why.to_owned()), seconds: 1.5 };
        assert!(gathered.add(part("one")).is_none());
        let all = gathered.add(part("other")).unwrap();
        assert_eq!((all.failed, all.needs), (vec!["one".to_owned(), "other".to_owned()], Some("one".to_owned())));
        assert!((all.seconds - 3.0).abs() < 1e-9);
    }

    #[test]
    fn a_process_that_ends_without_an_answer_has_failed() {
        // The program that runs this test does not know the options.
        let outcome = elsewhere(&work(3..5), Path::new("nowhere"));
        assert_eq!(outcome.failed.len(), 1);
        assert!(outcome.failed[0].contains("from seed 3: ended with exit status"), "{}", outcome.failed[0]);
    }
}
