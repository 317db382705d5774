//! Whole openings, from TCP to the welcome: how many a second, and how long one takes.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use chaos_tests::programs::client::Member;
use tokio::{task::JoinSet, time::Instant};

use crate::{
    crowd,
    figures::{Figures, Times},
    relay::Loaded,
    session::{Lost, Session},
};

pub(crate) async fn run(relay: &Loaded, figures: &mut Figures, clients: usize, seconds: u64) -> Result<(), Lost> {
    let members = crowd::members(clients, 1);
    drop(crowd::found(relay.place(), &members).await?);
    let begun = Instant::now();
    let until = begun + Duration::from_secs(seconds);
    let mut tasks = JoinSet::new();
    for member in members {
        tasks.spawn(again_and_again(relay.place(), member, until));
    }
    let mut times = Times::new();
    while let Some(ended) = tasks.join_next().await {
        times.extend(&ended.map_err(|error| Lost::Told(error.to_string()))??);
    }
    figures.one("clients at once", "", clients as f64);
    figures.one("handshakes a second", "", times.count() as f64 / begun.elapsed().as_secs_f64());
    figures.times("from TCP to the welcome", &times);
    Ok(())
}

async fn again_and_again(place: SocketAddr, member: Arc<Member>, until: Instant) -> Result<Times, Lost> {
    let mut times = Times::new();
    while Instant::now() < until {
        let begun = Instant::now();
        drop(Session::enter(place, &member, 0).await?);
        times.add(begun.elapsed());
    }
    Ok(times)
}
