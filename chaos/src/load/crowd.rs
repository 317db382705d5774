//! Many accounts and sessions, opened a few at a time.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    net::SocketAddr,
    sync::Arc,
};

use chaos_tests::programs::client::Member;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::time::Instant;

use crate::{
    figures::Times,
    session::{Lost, Session},
};

/// Connections that are being opened at once. As many as a relay lets one address open while it waits; more would only
/// measure the queue.
const OPENING: usize = 64;

/// Accounts that no relay has yet.
pub(crate) fn members(accounts: usize, devices: usize) -> Vec<Arc<Member>> {
    // A relay that is used again knows those of the last run.
    let run = RandomState::new().build_hasher().finish();
    (0..accounts as u64).map(|account| Arc::new(Member::new(run.wrapping_add(account << 8), devices))).collect()
}

/// Makes the accounts. Gives the first session of each, and how long each took.
pub(crate) async fn found(place: SocketAddr, members: &[Arc<Member>]) -> Result<(Vec<Session>, Times), Lost> {
    open(members.iter().map(|member| async move { Session::found(place, member).await })).await
}

/// All other sessions of the accounts, those of one account beside each other.
pub(crate) async fn enter(
    place: SocketAddr,
    members: &[Arc<Member>],
    devices: usize,
) -> Result<(Vec<Session>, Times), Lost> {
    let others = members.iter().flat_map(|member| (1..devices).map(move |device| (member, device)));
    open(others.map(|(member, device)| async move { Session::enter(place, member, device).await })).await
}

/// Opens sessions, in order, with the time that each takes.
pub(crate) async fn open<F>(sessions: impl Iterator<Item = F>) -> Result<(Vec<Session>, Times), Lost>
where
    F: Future<Output = Result<Session, Lost>>,
{
    let timed = sessions.map(|session| async {
        let begun = Instant::now();
        Ok::<_, Lost>((session.await?, begun.elapsed()))
    });
    let opened: Vec<_> = stream::iter(timed).buffered(OPENING).try_collect().await?;
    let mut times = Times::new();
    let add = |(session, took)| {
        times.add(took);
        session
    };
    let sessions = opened.into_iter().map(add).collect();
    Ok((sessions, times))
}
