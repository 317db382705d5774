//! Everything together for a long time: memory and descriptors must not grow.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use caro_schema::relay::{ToDevice, ToRelay};
use chaos_tests::{programs::client::Member, seed::Seed};
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep_until, timeout},
};

use crate::{
    crowd,
    figures::{Figures, Times},
    relay::Loaded,
    restore,
    session::{Clock, Lost, Session},
};

/// Sessions of each account that only listens.
const DEVICES: usize = 4;

/// Clients that push, each a few cells a second, and clients that come and go.
const PUSHERS: usize = 16;
const COMERS: usize = 16;

/// Cells of the account that is restored again and again.
const RESTORED: u64 = 5_000;

/// Between two cells of a client, two visits, two restores, two looks at the relay.
const PUSH: Duration = Duration::from_millis(100);
const VISIT: Duration = Duration::from_millis(250);
const RESTORE: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_secs(2);

/// Between two signs of life.
const SIGN_OF_LIFE: Duration = Duration::from_secs(20);

/// What is over when the time is.
type Ends = JoinSet<Result<Times, Lost>>;

pub(crate) async fn run(relay: &Loaded, figures: &mut Figures, sessions: usize, seconds: u64) -> Result<(), Lost> {
    let place = relay.place();
    let until = Instant::now() + Duration::from_secs(seconds);
    let members = crowd::members(sessions.div_ceil(DEVICES), DEVICES);
    let (first, _) = crowd::found(place, &members).await?;
    let (rest, _) = crowd::enter(place, &members, DEVICES).await?;
    let (mut idle, mut pushes, mut visits, mut restores) = (Ends::new(), Ends::new(), Ends::new(), Ends::new());
    for session in first.into_iter().chain(rest) {
        idle.spawn(stay(session, until));
    }
    let pushers = crowd::members(PUSHERS, 1);
    for (number, session) in crowd::found(place, &pushers).await?.0.into_iter().enumerate() {
        pushes.spawn(push(session, number as u64, until));
    }
    let comers = crowd::members(COMERS, 1);
    drop(crowd::found(place, &comers).await?);
    for member in comers {
        visits.spawn(visit(place, member, until));
    }
    let restored = crowd::members(1, 2).remove(0);
    restore::fill(&mut Session::found(place, &restored).await?, RESTORED, 1_024).await?;
    restores.spawn(restore_again(place, restored, until));
    let looks = look(relay, until).await;
    figures.one("seconds", "", seconds as f64);
    for (what, ends) in [
        ("sign of life of an idle session", idle),
        ("from push to acknowledgement", pushes),
        ("from TCP to the welcome", visits),
        ("a restore of 5,000 cells", restores),
    ] {
        figures.times(what, &all_of(ends).await?);
    }
    flat(figures, &looks);
    Ok(())
}

async fn all_of(mut ends: Ends) -> Result<Times, Lost> {
    let mut times = Times::new();
    while let Some(ended) = ends.join_next().await {
        times.extend(&ended.map_err(|error| Lost::Told(error.to_string()))??);
    }
    Ok(times)
}

/// Resident KiB and descriptors, over time.
async fn look(relay: &Loaded, until: Instant) -> Vec<(f64, usize)> {
    let mut looks = Vec::new();
    let mut moments = interval(LOOK);
    while Instant::now() < until {
        moments.tick().await;
        looks.extend(relay.resident_kib().zip(relay.descriptors()));
    }
    looks
}

/// The second quarter of the time beside the last: the first is for warming up.
fn flat(figures: &mut Figures, looks: &[(f64, usize)]) {
    let quarter = looks.len() / 4;
    let median = |looks: &[(f64, usize)], what: fn(&(f64, usize)) -> f64| {
        let mut values: Vec<f64> = looks.iter().map(what).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    };
    for (name, unit, what) in [
        ("resident", "MiB", (|look| look.0 / 1024.0) as fn(&(f64, usize)) -> f64),
        ("descriptors", "", |look| look.1 as f64),
    ] {
        let early = median(&looks[quarter..quarter * 2], what);
        let late = median(&looks[looks.len() - quarter..], what);
        if let (Some(early), Some(late)) = (early, late) {
            figures.one(&format!("{name}, second quarter of the time"), unit, early);
            figures.one(&format!("{name}, last quarter"), unit, late);
        }
    }
}

/// A session that listens, and shows that it is alive. Old sessions would be asked to make a new handshake; a run ends
/// before that.
async fn stay(mut session: Session, until: Instant) -> Result<Times, Lost> {
    let mut times = Times::new();
    session.pull().await?;
    let mut signs = interval(SIGN_OF_LIFE);
    signs.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = sleep_until(until) => return Ok(times),
            _ = signs.tick() => times.add(session.ping().await?),
            message = session.hear() => if let ToDevice::Page(page) = message? {
                session.take(page).await?;
            }
        }
    }
}

async fn push(mut session: Session, number: u64, until: Instant) -> Result<Times, Lost> {
    let (clock, mut seed, mut times) = (Clock::start(), Seed::new(number), Times::new());
    let mut moments = interval(PUSH);
    moments.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while Instant::now() < until {
        moments.tick().await;
        let begun = Instant::now();
        session.push(vec![clock.cell(1_024, &mut seed)]).await?;
        times.add(begun.elapsed());
    }
    Ok(times)
}

async fn visit(place: SocketAddr, member: Arc<Member>, until: Instant) -> Result<Times, Lost> {
    let mut times = Times::new();
    let mut moments = interval(VISIT);
    moments.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while Instant::now() < until {
        moments.tick().await;
        let begun = Instant::now();
        let mut session = Session::enter(place, &member, 0).await?;
        times.add(begun.elapsed());
        session.send(&ToRelay::Pull { after: 0 }).await?;
        // Half of what comes is never read: it leaves in the middle.
        drop(timeout(Duration::from_millis(5), session.hear()).await);
    }
    Ok(times)
}

async fn restore_again(place: SocketAddr, member: Arc<Member>, until: Instant) -> Result<Times, Lost> {
    let mut times = Times::new();
    let mut moments = interval(RESTORE);
    while Instant::now() < until {
        moments.tick().await;
        let mut session = Session::enter(place, &member, 1).await?;
        let begun = Instant::now();
        if session.pull_all().await? != RESTORED {
            return Err(Lost::Wrong("a restore that lacks something"));
        }
        times.add(begun.elapsed());
    }
    Ok(times)
}
