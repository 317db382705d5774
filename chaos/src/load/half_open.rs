//! Connections that never finish opening, and what sessions that are in notice of them.

use std::{sync::Arc, time::Duration};

use chaos_tests::programs::client::Member;
use futures_util::{StreamExt, stream};
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval},
};

use crate::{
    crowd,
    figures::{Figures, Times},
    relay::Loaded,
    session::{self, Lost, Session},
};

/// Between two signs of life of a session.
const BETWEEN: Duration = Duration::from_millis(100);

pub(crate) async fn run(
    relay: &Loaded,
    figures: &mut Figures,
    connections: usize,
    sessions: usize,
    seconds: u64,
) -> Result<(), Lost> {
    let members = crowd::members(sessions, 1);
    let (sessions, _) = crowd::found(relay.place(), &members).await?;
    let (sessions, before) = measure(sessions, seconds).await?;
    let stranger = Arc::new(Member::new(1, 1));
    let opening = (0..connections).map(|_| session::half_open(relay.place(), &stranger));
    let begun = Instant::now();
    let open: Vec<_> = stream::iter(opening).buffer_unordered(64).collect().await;
    let held = open.iter().filter(|outcome| outcome.is_ok()).count();
    let opened_in = begun.elapsed();
    let (_, during) = measure(sessions, seconds).await?;
    figures.one("connections half open", "", held as f64);
    figures.one("  and refused", "", (connections - held) as f64);
    figures.one("opened in", "s", opened_in.as_secs_f64());
    figures.times("sign of life before", &before);
    figures.times("sign of life beside them", &during);
    figures.one("p99 beside them, times that before", "x", during.ms(99.0) / before.ms(99.0));
    drop(open);
    Ok(())
}

/// Signs of life of all sessions for a while.
async fn measure(sessions: Vec<Session>, seconds: u64) -> Result<(Vec<Session>, Times), Lost> {
    let until = Instant::now() + Duration::from_secs(seconds);
    let mut tasks = JoinSet::new();
    for mut session in sessions {
        tasks.spawn(async move {
            let mut times = Times::new();
            let mut moments = interval(BETWEEN);
            moments.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while Instant::now() < until {
                moments.tick().await;
                times.add(session.ping().await?);
            }
            Ok::<_, Lost>((session, times))
        });
    }
    let (mut kept, mut all) = (Vec::new(), Times::new());
    while let Some(ended) = tasks.join_next().await {
        let (session, times) = ended.map_err(|error| Lost::Told(error.to_string()))??;
        kept.push(session);
        all.extend(&times);
    }
    Ok((kept, all))
}
