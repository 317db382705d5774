//! Pushes as fast as they are acknowledged: cells a second, how long an acknowledgement takes, and what a cell costs on the
//! disk.

use std::{collections::VecDeque, time::Duration};

use caro_schema::relay::{ToDevice, ToRelay};
use chaos_tests::seed::Seed;
use tokio::{task::JoinSet, time::Instant};

use crate::{
    crowd,
    figures::{Figures, Times},
    relay::Loaded,
    session::{Clock, Lost, Session},
};

pub(crate) async fn run(
    relay: &Loaded,
    figures: &mut Figures,
    clients: usize,
    seconds: u64,
    bytes: usize,
    under_way: usize,
) -> Result<(), Lost> {
    let members = crowd::members(clients, 1);
    let (sessions, _) = crowd::found(relay.place(), &members).await?;
    let stored_before = relay.stored_bytes();
    let begun = Instant::now();
    let until = begun + Duration::from_secs(seconds);
    let mut tasks = JoinSet::new();
    for (number, session) in sessions.into_iter().enumerate() {
        tasks.spawn(push(session, number as u64, until, bytes, under_way));
    }
    let mut times = Times::new();
    while let Some(ended) = tasks.join_next().await {
        times.extend(&ended.map_err(|error| Lost::Told(error.to_string()))??);
    }
    let took = begun.elapsed();
    figures.one("clients", "", clients as f64);
    figures.one("durable cells", "", times.count() as f64);
    figures.one("durable cells a second", "", times.count() as f64 / took.as_secs_f64());
    figures.times("from push to acknowledgement", &times);
    if let (Some(before), Some(after)) = (stored_before, relay.stored_bytes()) {
        let each = after.saturating_sub(before) as f64 / times.count() as f64;
        figures.one("a million cells on the disk", "MB", each);
        figures.one("  of which are the cells themselves", "MB", bytes as f64);
    }
    if let Some(kib) = relay.resident_kib() {
        figures.one("relay resident", "MiB", kib / 1024.0);
    }
    Ok(())
}

/// Keeps so many cells under way until the time is over, and waits for the last.
async fn push(
    mut session: Session,
    number: u64,
    until: Instant,
    bytes: usize,
    under_way: usize,
) -> Result<Times, Lost> {
    let (clock, mut seed) = (Clock::start(), Seed::new(number));
    let mut times = Times::new();
    let mut sent: VecDeque<Instant> = VecDeque::with_capacity(under_way);
    loop {
        while sent.len() < under_way && Instant::now() < until {
            let cell = clock.cell(bytes, &mut seed);
            sent.push_back(Instant::now());
            session.send(&ToRelay::Push { cells: vec![cell] }).await?;
        }
        if sent.is_empty() {
            return Ok(times);
        }
        let ToDevice::Ack { cells } = session.answer().await? else {
            return Err(Lost::Wrong("no acknowledgement after a push"));
        };
        for _ in cells {
            let begun = sent.pop_front().ok_or(Lost::Wrong("more acknowledgements than pushes"))?;
            times.add(begun.elapsed());
        }
    }
}
