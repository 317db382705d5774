//! A relay that dies with everybody connected, and starts again: how long until all are back, when each tries as a device
//! does, at once and then after a wait that doubles.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use chaos_tests::{programs::client::Member, seed::Seed};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::{
    crowd,
    figures::{Figures, Times},
    relay::Loaded,
    session::{Lost, Session},
};

/// The first wait of a device whose relay is away, and the longest, in milliseconds.
const WAIT_MS: u64 = 500;
const WAIT_MS_MAX: u64 = 60_000;

/// After this somebody is not late but locked out.
const PATIENCE: Duration = Duration::from_secs(180);

pub(crate) async fn run(relay: &mut Loaded, figures: &mut Figures, sessions: usize) -> Result<(), Lost> {
    let place = relay.place();
    let members = crowd::members(sessions, 1);
    let (sessions, _) = crowd::found(place, &members).await?;
    let Some(own) = relay.own_mut() else {
        return Err(Lost::Told("a storm ends and starts the relay: leave --relay out".to_owned()));
    };
    own.kill();
    drop(sessions);
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for (number, member) in members.into_iter().enumerate() {
        tasks.spawn(come_back(place, member, Seed::new(number as u64)));
    }
    own.start();
    let (mut times, mut tries, mut kept) = (Times::new(), 0, Vec::new());
    while let Some(ended) = tasks.join_next().await {
        let (session, took, tried) = ended.map_err(|error| Lost::Told(error.to_string()))??;
        times.add(took);
        tries += tried;
        kept.push(session);
    }
    figures.one("sessions", "", kept.len() as f64);
    figures.one("all are back after", "s", begun.elapsed().as_secs_f64());
    figures.times("one is back after", &times);
    figures.one("tries of each", "", tries as f64 / kept.len() as f64);
    Ok(())
}

async fn come_back(place: SocketAddr, member: Arc<Member>, mut seed: Seed) -> Result<(Session, Duration, u64), Lost> {
    let begun = Instant::now();
    let (mut wait_ms, mut tries) = (WAIT_MS, 0);
    loop {
        tries += 1;
        match Session::enter(place, &member, 0).await {
            Ok(session) => return Ok((session, begun.elapsed(), tries)),
            Err(error) if begun.elapsed() > PATIENCE => return Err(error),
            // Away, or busy with the others.
            Err(_) => sleep(Duration::from_millis(seed.below(wait_ms))).await,
        }
        wait_ms = (wait_ms * 2).min(WAIT_MS_MAX);
    }
}
