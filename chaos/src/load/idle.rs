//! Sessions that mostly say nothing: what each costs, and how soon a cell reaches all of them.

use std::{sync::Arc, time::Duration};

use caro_schema::relay::{Entry, ToDevice, ToRelay};
use chaos_tests::seed::Seed;
use tokio::{
    sync::{Notify, mpsc},
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval},
};

use crate::{
    crowd,
    figures::{Figures, Times},
    relay::Loaded,
    session::{Clock, Lost, Session},
};

/// Between two cells of an account.
const ROUND: Duration = Duration::from_secs(5);

/// Between two signs of life of a session, less than half of what a relay waits for.
const SIGN_OF_LIFE: Duration = Duration::from_secs(20);

/// How long the last cell may take to reach the last device.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn run(
    relay: &Loaded,
    figures: &mut Figures,
    sessions: usize,
    devices: usize,
    rounds: u64,
) -> Result<(), Lost> {
    let clock = Clock::start();
    let members = crowd::members(sessions.div_ceil(devices), devices);
    let before = relay.resident_kib();
    let begun = Instant::now();
    let (writers, _) = crowd::found(relay.place(), &members).await?;
    let (readers, times) = crowd::enter(relay.place(), &members, devices).await?;
    let open = writers.len() + readers.len();
    figures.one("sessions", "", open as f64);
    figures.one("opened in", "s", begun.elapsed().as_secs_f64());
    figures.times("one opened", &times);
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let stop = Arc::new(Notify::new());
    let mut tasks = JoinSet::new();
    let expected = readers.len() as u64 * rounds;
    for session in readers {
        tasks.spawn(listen(session, clock, arrived.clone(), stop.clone()));
    }
    drop(arrived);
    for (number, session) in writers.into_iter().enumerate() {
        tasks.spawn(speak(session, clock, number as u64, rounds));
    }
    let mut times = Times::new();
    let deadline = Instant::now() + ROUND * u32::try_from(rounds).unwrap_or(u32::MAX) + PATIENCE;
    while times.count() < expected {
        tokio::select! {
            age = arrivals.recv() => match age {
                Some(age) => times.add(age),
                None => return Err(Lost::Wrong("every session ended before all cells had arrived")),
            },
            ended = tasks.join_next() => if let Some(ended) = ended {
                ended.map_err(|error| Lost::Told(error.to_string()))??;
            },
            () = tokio::time::sleep_until(deadline) => {
                return Err(Lost::Told(format!("{} of {expected} cells arrived in time", times.count())));
            }
        }
    }
    figures.times("from push to a device", &times);
    if let (Some(before), Some(now)) = (before, relay.resident_kib()) {
        figures.one("relay resident", "MiB", now / 1024.0);
        figures.one("  for each session", "KiB", (now - before) / open as f64);
    }
    stop.notify_waiters();
    Ok(())
}

/// A device that hears, and shows that it is alive.
async fn listen(
    mut session: Session,
    clock: Clock,
    arrived: mpsc::UnboundedSender<Duration>,
    stop: Arc<Notify>,
) -> Result<(), Lost> {
    session.pull().await?;
    let mut signs = interval(SIGN_OF_LIFE);
    signs.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.notified() => return Ok(()),
            _ = signs.tick() => session.send(&ToRelay::Ping { token: 0 }).await?,
            message = session.hear() => if let ToDevice::Page(page) = message? {
                let now: Vec<Duration> = page.entries.iter().filter_map(|entry| match entry {
                    Entry::Cell(cell) => clock.age(cell),
                    Entry::Own(_) | Entry::Gone(_) => None,
                }).collect();
                session.take(page).await?;
                // Who measures has ended: nothing is left to say.
                if now.into_iter().any(|age| arrived.send(age).is_err()) {
                    return Ok(());
                }
            }
        }
    }
}

/// A device that pushes a cell in each round, each account at its own moment of it.
async fn speak(mut session: Session, clock: Clock, number: u64, rounds: u64) -> Result<(), Lost> {
    let mut seed = Seed::new(number);
    let first = Instant::now() + ROUND.mul_f64(seed.below(1_000) as f64 / 1_000.0);
    let mut moments = tokio::time::interval_at(first, ROUND);
    for _ in 0..rounds {
        moments.tick().await;
        session.push(vec![clock.cell(1_024, &mut seed)]).await?;
    }
    Ok(())
}
