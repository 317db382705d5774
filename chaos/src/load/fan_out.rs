//! One device of an account pushes at a steady rate, and all others receive: how soon, and how many cells a second are
//! served in all.

use std::time::Duration;

use caro_schema::relay::{Entry, ToDevice};
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
    accounts: usize,
    devices: usize,
    rate: u64,
    seconds: u64,
) -> Result<(), Lost> {
    let clock = Clock::start();
    let members = crowd::members(accounts, devices);
    let (writers, _) = crowd::found(relay.place(), &members).await?;
    let (readers, _) = crowd::enter(relay.place(), &members, devices).await?;
    let cells = rate * seconds;
    let begun = Instant::now();
    let mut receiving = JoinSet::new();
    for session in readers {
        receiving.spawn(receive(session, clock, cells));
    }
    let mut pushing = JoinSet::new();
    for (number, session) in writers.into_iter().enumerate() {
        pushing.spawn(push(session, clock, number as u64, rate, cells));
    }
    while let Some(ended) = pushing.join_next().await {
        ended.map_err(|error| Lost::Told(error.to_string()))??;
    }
    let mut times = Times::new();
    while let Some(ended) = receiving.join_next().await {
        times.extend(&ended.map_err(|error| Lost::Told(error.to_string()))??);
    }
    figures.one("accounts", "", accounts as f64);
    figures.one("devices of each", "", devices as f64);
    figures.one("cells pushed", "", (cells * accounts as u64) as f64);
    figures.one("cells served a second", "", times.count() as f64 / begun.elapsed().as_secs_f64());
    figures.times("from push to a device", &times);
    Ok(())
}

async fn receive(mut session: Session, clock: Clock, cells: u64) -> Result<Times, Lost> {
    let mut times = Times::new();
    session.pull().await?;
    while times.count() < cells {
        let ToDevice::Page(page) = session.answer().await? else { continue };
        for entry in session.take(page).await? {
            if let Entry::Cell(cell) = entry {
                times.add(clock.age(&cell).ok_or(Lost::Wrong("a cell that nobody pushed"))?);
            }
        }
    }
    Ok(times)
}

async fn push(mut session: Session, clock: Clock, number: u64, rate: u64, cells: u64) -> Result<(), Lost> {
    let mut seed = Seed::new(number);
    let mut moments = tokio::time::interval(Duration::from_secs(1) / u32::try_from(rate).unwrap_or(u32::MAX));
    for _ in 0..cells {
        moments.tick().await;
        session.push(vec![clock.cell(1_024, &mut seed)]).await?;
    }
    Ok(())
}
