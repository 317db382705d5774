//! What relays on one database tell each other: which accounts to look at again, and who is connected where.
//!
//! A word that gets lost is not missed: it is only a hint, the database is the truth, and every relay looks at all
//! accounts that are connected to it every few seconds besides. Words are gathered for a moment and sent together, because
//! the server sends one at a time, whoever has something to say.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use caro_schema::id::{Handle, Hash};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, MissedTickBehavior, interval_at, sleep, timeout},
};
use tokio_postgres::{Client, Notification};

use super::{
    LogError, Trouble,
    link::{LinkError, Opened},
    read::{hash, number, signed},
    source::Source,
};
use crate::protocol::SessionId;

/// The name under which relays hear each other.
const CHANNEL: &str = "caro_relay";

/// How long words are gathered. A command is seen on another machine that much later at most; each word costs the server
/// a turn.
const GATHER: Duration = Duration::from_millis(15);

/// How often everything is looked at in case a word was lost, and how often a relay says that it is there.
const LOOK: Duration = Duration::from_secs(3);

/// How long a relay counts that does not say that it is there.
const SILENT: &str = "15 seconds";

/// How long one question to the server may take.
const PATIENCE: Duration = Duration::from_secs(8);

/// How long a relay that stops takes at most to say so. Without a word it counts as there for as long as [`SILENT`].
const LEAVING: Duration = Duration::from_secs(3);

/// Pauses between tries to reach the server.
const PAUSE_MIN: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(4);

/// Handles in one word: 33 characters each, and the server takes fewer than 8,000.
const WORD_HANDLES: usize = 240;

/// Handles that are said one by one; beyond it the word is "everything".
const WORDS_MAX: usize = 4_096;

/// What is said for it.
const EVERYTHING: &str = "*";

/// A session that is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seat {
    /// Which, at its relay.
    pub session: SessionId,
    /// Of which device.
    pub device: Hash,
    /// Whether a later one of the device takes its place.
    pub single: bool,
    /// Whether the device is on the account's list.
    pub listed: bool,
    /// In which order sessions came in, at all relays. It is known before anybody hears that the session is in, so whoever
    /// goes from one relay to another comes later there, whichever of the two writes its seats down first.
    pub turn: u64,
}

/// Who is connected to an account elsewhere, as far as it matters here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Elsewhere {
    /// Listed devices with a session at another relay.
    pub devices: BTreeSet<Hash>,
    /// Sessions here whose device has come to another relay since.
    pub replaced: Vec<SessionId>,
    /// Sessions of the account, everywhere, in the order in which they came; true for those that are here.
    pub order: Vec<(SessionId, bool)>,
}

/// The relay's side: what is here, and what to do about news.
pub trait Ears: Send + Sync {
    /// Accounts with sessions here.
    fn accounts(&self) -> Vec<Handle>;

    /// The sessions of an account here.
    fn seats(&self, handle: &Handle) -> Vec<Seat>;

    /// Something has happened to an account elsewhere.
    fn rumour(&self, handle: Handle);

    /// Who is connected to an account elsewhere.
    fn elsewhere(&self, handle: Handle, seats: Elsewhere);
}

/// What is to be told.
#[derive(Default)]
pub struct Mouth {
    waiting: Mutex<Waiting>,
    bell: Notify,
}

#[derive(Default)]
struct Waiting {
    handles: BTreeSet<Handle>,
    everything: bool,
}

impl Mouth {
    /// The others should look at this account: its log, its list or its sessions have changed here.
    pub fn say(&self, handle: Handle) {
        let mut waiting = self.lock();
        if !waiting.everything {
            waiting.handles.insert(handle);
            if waiting.handles.len() > WORDS_MAX {
                *waiting = Waiting { handles: BTreeSet::new(), everything: true };
            }
        }
        drop(waiting);
        self.bell.notify_one();
    }

    fn take(&self) -> Waiting {
        std::mem::take(&mut *self.lock())
    }

    fn give_back(&self, waiting: Waiting) {
        let mut now = self.lock();
        now.everything |= waiting.everything;
        now.handles.extend(waiting.handles);
        if now.everything {
            now.handles.clear();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // A set is whole whenever nobody is in the middle of one call to it.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells and hears until `stop` changes. `node` is a number that no other relay has.
pub async fn run(source: Source, node: i64, mouth: &Mouth, ears: &dyn Ears, mut stop: watch::Receiver<bool>) {
    let mut pause = PAUSE_MIN;
    loop {
        let began = Instant::now();
        let holding = Conversation::hold(&source, node, mouth, ears, stop.clone());
        tokio::pin!(holding);
        let ended = tokio::select! {
            ended = &mut holding => ended,
            // It hears that too, and says goodbye before it ends.
            _ = stop.changed() => {
                if !matches!(timeout(LEAVING, holding).await, Ok(Ok(()))) {
                    tracing::warn!("the other relays could not be told that this one ends; they find out by themselves");
                }
                return;
            }
        };
        let Err(trouble) = ended else { return };
        if began.elapsed() > LOOK {
            pause = PAUSE_MIN;
        }
        if let Trouble::Link(error) = trouble {
            tracing::warn!(%error, "the other relays cannot be heard; what they change is seen later");
        }
        tokio::select! {
            () = sleep(pause) => pause = (pause * 2).min(PAUSE_MAX),
            _ = stop.changed() => return,
        }
    }
}

/// A connection on which words come and go.
struct Conversation<'a> {
    client: Client,
    node: i64,
    /// The server's number of this connection, which is how one's own words are known.
    own: i32,
    mouth: &'a Mouth,
    ears: &'a dyn Ears,
    /// How each account stood when it was last looked at.
    stood: HashMap<Handle, Stood>,
    told: HashMap<Handle, Elsewhere>,
}

/// What changes when something has happened to an account.
type Stood = (i64, i64, i32, bool);

impl<'a> Conversation<'a> {
    async fn hold(
        source: &Source,
        node: i64,
        mouth: &'a Mouth,
        ears: &'a dyn Ears,
        mut stop: watch::Receiver<bool>,
    ) -> Result<(), Trouble> {
        let opened = tokio::select! {
            opened = timeout(PATIENCE, Opened::open(source)) => opened.map_err(|_| LinkError::Silent)??,
            // Nobody has heard of this relay yet, or not lately.
            _ = stop.changed() => return Ok(()),
        };
        let Opened { client, mut news, driving, .. } = opened;
        let own = client.query_one("SELECT pg_backend_pid()", &[]).await?.try_get(0)?;
        let (stood, told) = (HashMap::new(), HashMap::new());
        let mut this = Self { client, node, own, mouth, ears, stood, told };
        patiently(this.begin()).await?;
        let mut looks = interval_at(Instant::now() + LOOK, LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                word = news.recv() => {
                    let word = word.ok_or(LinkError::Ended)?;
                    let mut words = vec![word];
                    while let Ok(word) = news.try_recv() {
                        words.push(word);
                    }
                    patiently(this.hear(&words)).await?;
                }
                () = mouth.bell.notified() => {
                    sleep(GATHER).await;
                    patiently(this.tell()).await?;
                }
                _ = looks.tick() => patiently(this.look()).await?,
                _ = stop.changed() => {
                    patiently(this.leave()).await?;
                    drop(this);
                    // The server hears of the end of the connection from the task that drives it.
                    drop(timeout(GATHER * 10, driving).await);
                    return Ok(());
                }
            }
        }
    }

    /// Whatever was said before this could be lost, so everything is looked at.
    async fn begin(&mut self) -> Result<(), Trouble> {
        self.client.batch_execute(&format!("LISTEN {CHANNEL}")).await?;
        self.present().await?;
        let here = self.ears.accounts();
        for handle in &here {
            self.ears.rumour(*handle);
        }
        self.seat(&here).await?;
        self.mouth.bell.notify_one();
        self.look().await
    }

    /// Says that this relay is there. One that was taken for gone says anew who is connected to it.
    async fn present(&self) -> Result<bool, Trouble> {
        const PRESENT: &str = "
            INSERT INTO node (id, seen) VALUES ($1, now()) ON CONFLICT (id) DO UPDATE SET seen = now()
            RETURNING xmax = 0";
        Ok(self.client.query_one(PRESENT, &[&self.node]).await?.try_get(0)?)
    }

    async fn hear(&mut self, words: &[Notification]) -> Result<(), Trouble> {
        let here: BTreeSet<Handle> = self.ears.accounts().into_iter().collect();
        let mut meant: BTreeSet<Handle> = BTreeSet::new();
        for word in words.iter().filter(|word| word.process_id() != self.own) {
            match word.payload() {
                EVERYTHING => meant.extend(&here),
                handles => meant.extend(handles.split(',').filter_map(Handle::from_hex).filter(|h| here.contains(h))),
            }
        }
        for handle in &meant {
            self.ears.rumour(*handle);
        }
        self.learn(&meant.into_iter().collect::<Vec<_>>()).await
    }

    /// First who is here, then the word: whoever hears it finds them.
    async fn tell(&mut self) -> Result<(), Trouble> {
        let waiting = self.mouth.take();
        let told = self.tell_all(&waiting).await;
        if told.is_err() {
            self.mouth.give_back(waiting);
        }
        told
    }

    async fn tell_all(&mut self, waiting: &Waiting) -> Result<(), Trouble> {
        let handles: Vec<Handle> =
            if waiting.everything { self.ears.accounts() } else { waiting.handles.iter().copied().collect() };
        self.seat(&handles).await?;
        let words: Vec<String> = match waiting.everything {
            true => vec![EVERYTHING.to_owned()],
            false => handles.chunks(WORD_HANDLES).map(word).collect(),
        };
        for word in &words {
            self.client.execute("SELECT pg_notify($1, $2)", &[&CHANNEL, word]).await?;
        }
        self.learn(&handles).await
    }

    /// Writes down who is connected here, of these accounts.
    async fn seat(&self, handles: &[Handle]) -> Result<(), Trouble> {
        const STAND_UP: &str = "
            DELETE FROM seat WHERE node = $1 AND handle = ANY($2) AND NOT (session = ANY($3))";
        const SIT_DOWN: &str = "
            INSERT INTO seat (node, session, handle, device, single, listed, taken) OVERRIDING SYSTEM VALUE
            SELECT $1, sitting.*
            FROM unnest($2::bigint[], $3::bytea[], $4::bytea[], $5::boolean[], $6::boolean[], $7::bigint[])
            AS sitting (session, handle, device, single, listed, taken) ORDER BY session
            ON CONFLICT (node, session) DO UPDATE SET listed = excluded.listed WHERE seat.listed <> excluded.listed";
        if handles.is_empty() {
            return Ok(());
        }
        let seats: Vec<(Handle, Seat)> =
            handles.iter().flat_map(|handle| self.ears.seats(handle).into_iter().map(|seat| (*handle, seat))).collect();
        let sessions: Vec<i64> = seats.iter().map(|(_, seat)| seat.session.0.cast_signed()).collect();
        self.client.execute(STAND_UP, &[&self.node, &bytes(handles), &sessions]).await?;
        if seats.is_empty() {
            return Ok(());
        }
        let owners: Vec<&[u8]> = seats.iter().map(|(handle, _)| &handle.as_bytes()[..]).collect();
        let devices: Vec<&[u8]> = seats.iter().map(|(_, seat)| &seat.device.as_bytes()[..]).collect();
        let single: Vec<bool> = seats.iter().map(|(_, seat)| seat.single).collect();
        let listed: Vec<bool> = seats.iter().map(|(_, seat)| seat.listed).collect();
        let taken: Vec<i64> = seats.iter().map(|(_, seat)| signed(seat.turn)).collect();
        self.client.execute(SIT_DOWN, &[&self.node, &sessions, &owners, &devices, &single, &listed, &taken]).await?;
        Ok(())
    }

    /// Learns who else is connected to these accounts.
    async fn learn(&mut self, handles: &[Handle]) -> Result<(), Trouble> {
        if handles.is_empty() {
            return Ok(());
        }
        let sql = format!(
            "SELECT seat.handle, seat.device, seat.session, seat.single, seat.listed, seat.taken, seat.node = $1
             FROM seat JOIN node ON node.id = seat.node
             WHERE seat.handle = ANY($2) AND (node.id = $1 OR node.seen > now() - interval '{SILENT}')
             ORDER BY seat.taken, seat.node, seat.session"
        );
        let rows = self.client.query(&sql, &[&self.node, &bytes(handles)]).await?;
        let mut all: BTreeMap<Handle, Vec<Taken>> = handles.iter().map(|handle| (*handle, Vec::new())).collect();
        for row in &rows {
            let handle = Handle::from_slice(row.try_get(0)?).ok_or(LogError::Damaged)?;
            let seat = Seat {
                session: SessionId(number(row, 2)?),
                device: hash(row, 1)?,
                single: row.try_get(3)?,
                listed: row.try_get(4)?,
                turn: number(row, 5)?,
            };
            all.entry(handle).or_default().push(Taken { seat, here: row.try_get(6)? });
        }
        for (handle, taken) in all {
            let elsewhere = elsewhere(&taken);
            if self.told.get(&handle) != Some(&elsewhere) {
                self.ears.elsewhere(handle, elsewhere.clone());
                self.told.insert(handle, elsewhere);
            }
        }
        Ok(())
    }

    /// Looks at everything, in case a word was lost.
    async fn look(&mut self) -> Result<(), Trouble> {
        const STAND: &str = "
            SELECT handle, cursor, list_version, octet_length(added), closed FROM account WHERE handle = ANY($1)";
        let here = self.ears.accounts();
        if self.present().await? {
            // The others have taken it for gone.
            for handle in &here {
                self.mouth.say(*handle);
            }
        }
        let gone = format!("DELETE FROM node WHERE seen < now() - interval '{SILENT}' * 3");
        self.client.execute(&gone, &[]).await?;
        let rows = self.client.query(STAND, &[&bytes(&here)]).await?;
        let mut stand = HashMap::with_capacity(rows.len());
        for row in &rows {
            let handle = Handle::from_slice(row.try_get(0)?).ok_or(LogError::Damaged)?;
            stand.insert(handle, (row.try_get(1)?, row.try_get(2)?, row.try_get(3)?, row.try_get(4)?));
        }
        for handle in
            here.iter().filter(|handle| !stand.contains_key(*handle) || self.stood.get(*handle) != stand.get(*handle))
        {
            self.ears.rumour(*handle);
        }
        self.stood = stand;
        let here_now: BTreeSet<Handle> = here.iter().copied().collect();
        self.told.retain(|handle, _| here_now.contains(handle));
        self.learn(&here).await
    }

    /// Nobody is connected here any more.
    async fn leave(&mut self) -> Result<(), Trouble> {
        let handles: Vec<Handle> = self.mouth.take().handles.into_iter().chain(self.ears.accounts()).collect();
        self.client.execute("DELETE FROM node WHERE id = $1", &[&self.node]).await?;
        for handles in handles.chunks(WORD_HANDLES) {
            self.client.execute("SELECT pg_notify($1, $2)", &[&CHANNEL, &word(handles)]).await?;
        }
        Ok(())
    }
}

async fn patiently<T>(work: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
    timeout(PATIENCE, work).await.unwrap_or(Err(Trouble::Link(LinkError::Silent)))
}

fn bytes(handles: &[Handle]) -> Vec<&[u8]> {
    handles.iter().map(|handle| &handle.as_bytes()[..]).collect()
}

fn word(handles: &[Handle]) -> String {
    handles.iter().map(Handle::hex).collect::<Vec<_>>().join(",")
}

/// A seat, in the order in which all were taken.
struct Taken {
    seat: Seat,
    here: bool,
}

fn elsewhere(taken: &[Taken]) -> Elsewhere {
    let mut found = Elsewhere::default();
    for (at, Taken { seat, here }) in taken.iter().enumerate() {
        found.order.push((seat.session, *here));
        if !here && seat.listed {
            found.devices.insert(seat.device);
        }
        let later = |other: &&Taken| !other.here && other.seat.single && other.seat.device == seat.device;
        if *here && seat.single && taken[at + 1..].iter().find(later).is_some() {
            found.replaced.push(seat.session);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(session: u64, device: u8, here: bool) -> Taken {
        let seat =
            Seat { session: SessionId(session), device: Hash([device; 32]), single: true, listed: true, turn: 0 };
        Taken { seat, here }
    }

    #[test]
    fn a_device_that_comes_elsewhere_has_left_here_and_not_the_other_way_round() {
        let found = elsewhere(&[taken(1, 1, true), taken(9, 2, false), taken(2, 2, true), taken(7, 1, false)]);
        assert_eq!(found.replaced, [SessionId(1)]);
        assert_eq!(found.devices, BTreeSet::from([Hash([1; 32]), Hash([2; 32])]));
        let order = [(1, true), (9, false), (2, true), (7, false)];
        assert_eq!(found.order, order.map(|(session, here)| (SessionId(session), here)));
        let mut beside = taken(7, 1, false);
        beside.seat.single = false;
        assert!(elsewhere(&[taken(1, 1, true), beside]).replaced.is_empty());
    }

    #[test]
    fn a_word_fits_and_too_many_are_one() {
        let handles: Vec<Handle> = (0..WORD_HANDLES).map(|n| Handle([n as u8; 16])).collect();
        assert!(word(&handles).len() < 8_000);
        let mouth = Mouth::default();
        for n in 0..=WORDS_MAX as u128 {
            mouth.say(Handle(n.to_be_bytes()));
        }
        mouth.say(Handle([1; 16]));
        let waiting = mouth.take();
        assert!(waiting.everything && waiting.handles.is_empty());
        mouth.say(Handle([1; 16]));
        mouth.give_back(Waiting { handles: BTreeSet::from([Handle([2; 16])]), everything: false });
        assert_eq!(mouth.take().handles.len(), 2);
    }
}
