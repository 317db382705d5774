//! A device that has typed for years: makes an account at a relay and uploads so many commands, each an op of its own,
//! as fast as the relay takes them. For measuring what joining such an account costs (`cargo bench -p caro-tests --
//! join`). Everything but the store and the clock is what the daemon uses.
//!
//! `type_slowly RELAY COUNT` prints the account's phrase when every command is at the relay and nothing is left to do.

use std::{
    collections::BTreeMap,
    error::Error,
    io::Write,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use caro_core::{
    device::{Device, Env, Intent, Joining, Rules},
    history::History,
    step::{RemoteNumber, RowError, Rows, Space, Step, Write as Change},
    vault::{Phrase, RootKey},
};
use caro_daemon::remote::{Address, Dialer, Session, join, probe};
use caro_link::entropy::{Entropy, OsEntropy};
use caro_schema::{
    body::history::Record,
    id::{RecordId, RelayKey},
    relay::{ToDevice, ToRelay},
};
use tokio::time::{sleep, timeout};

const RELAY: RemoteNumber = 1;

/// Between two commands.
const PAUSE_MS: u64 = 60_000;

/// Between two sessions.
const BETWEEN_SESSIONS: Duration = Duration::from_secs(2);

/// How long a command runs.
const RUNS_MS: u64 = 1_000;

/// Cells that may wait for the relay before more is typed. The disk here is memory.
const WAITING_MAX: usize = 4096;

/// A disk in memory.
#[derive(Default)]
struct Disk {
    queue: BTreeMap<u64, Vec<u8>>,
    rows: BTreeMap<(Space, Vec<u8>), Vec<u8>>,
}

impl Disk {
    fn commit(&mut self, writes: Vec<Change>) {
        for write in writes {
            match write {
                // History is in memory as well, and nobody starts again from this disk.
                Change::Block(..) => {}
                Change::Queue(_, number, Some(cell)) => drop(self.queue.insert(number, cell)),
                Change::Queue(_, number, None) => drop(self.queue.remove(&number)),
                Change::Row(space, key, Some(value)) => drop(self.rows.insert((space, key), value)),
                Change::Row(space, key, None) => drop(self.rows.remove(&(space, key))),
            }
        }
    }
}

impl Rows for Disk {
    fn row(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, RowError> {
        Ok(self.rows.get(&(space, key.to_vec())).cloned())
    }

    fn rows(&self, space: Space) -> Result<Vec<(Vec<u8>, Vec<u8>)>, RowError> {
        let of = self.rows.iter().filter(|((of, _), _)| *of == space);
        Ok(of.map(|((_, key), value)| (key.clone(), value.clone())).collect())
    }

    fn queue(&self, _: RemoteNumber, after: u64, bytes_max: usize) -> Result<Vec<(u64, Vec<u8>)>, RowError> {
        let (mut page, mut bytes) = (Vec::new(), 0);
        for (number, cell) in self.queue.range(after + 1..) {
            bytes += cell.len();
            if bytes > bytes_max && !page.is_empty() {
                break;
            }
            page.push((*number, cell.clone()));
        }
        Ok(page)
    }
}

/// The device, its disk and its clock.
struct Typist {
    device: Device,
    history: History,
    disk: Disk,
    now_ms: u64,
    sends: Vec<ToRelay>,
    typed: u64,
    count: u64,
}

impl Typist {
    fn decide(&mut self, choose: impl FnOnce(&mut Device, &mut History, &Disk, &mut Env<'_>) -> Step) {
        let mut env = Env { now_ms: self.now_ms, entropy: &mut OsEntropy };
        let step = choose(&mut self.device, &mut self.history, &self.disk, &mut env);
        self.disk.commit(step.writes);
        self.sends.extend(step.sends.into_iter().map(|(_, message)| message));
    }

    fn type_some(&mut self) {
        for _ in 0..64.min(self.count - self.typed) {
            self.now_ms += PAUSE_MS;
            let record = command(self.typed, self.now_ms);
            self.decide(|device, history, _, env| device.record(vec![record], history, env.now_ms));
            self.now_ms += RUNS_MS;
            self.do_what_is_due();
            self.typed += 1;
        }
    }

    fn do_what_is_due(&mut self) {
        while self.device.wake_at_ms().is_some_and(|due_ms| due_ms <= self.now_ms) {
            self.decide(|device, history, disk, env| device.handle_timer(history, disk, env).expect("randomness"));
        }
    }

    /// Whether the session goes on.
    fn hear(&mut self, message: ToDevice) -> bool {
        let mut goes_on = true;
        self.decide(|device, history, disk, env| {
            let (step, closed) = device.handle_message(RELAY, message, history, disk, env).expect("a sound disk");
            goes_on = closed.is_none();
            step
        });
        self.do_what_is_due();
        goes_on
    }

    /// Everything that can be sent now.
    fn take_sends(&mut self) -> Vec<ToRelay> {
        let mut sends = std::mem::take(&mut self.sends);
        while let Some(push) = self.device.poll_send(RELAY, &self.disk).expect("a sound disk") {
            sends.push(push);
        }
        sends
    }

    fn may_type(&self) -> bool {
        self.typed < self.count && self.disk.queue.len() < WAITING_MAX
    }

    /// Whether nothing is left to type, to send, or to be answered.
    fn is_done(&self) -> bool {
        let remote = self.device.account().and_then(|account| account.remote(RELAY)).expect("it joined");
        self.typed == self.count && remote.in_step() && !remote.is_purging()
    }
}

/// Commands as people type them: many the same, most a little different.
fn command(number: u64, now_ms: u64) -> Record {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
    let text = match mixed % 5 {
        0 => format!("git commit -m 'fix #{} in part {}'", mixed % 90_000, mixed % 37),
        1 => format!("cd ~/src/project-{} && make test", mixed % 400),
        2 => format!("kubectl -n team-{} logs deploy/service-{} --since={}m", mixed % 20, mixed % 300, mixed % 60),
        3 => "ls -la".to_owned(),
        _ => format!("vim src/module_{}/file_{}.rs", mixed % 50, mixed % 2_000),
    };
    let mut id = [0; 16];
    id[..8].copy_from_slice(&now_ms.to_be_bytes());
    id[8..].copy_from_slice(&mixed.to_be_bytes());
    Record {
        id: RecordId(id),
        command: text.into_bytes().into(),
        directory: format!("/home/ada/src/project-{}", mixed % 400).into_bytes().into(),
        host: "laptop".to_owned(),
        user: "ada".to_owned(),
        shell: "zsh 5.9".to_owned(),
        session: format!("session-{}", number / 80),
        start_us: now_ms as i64 * 1000,
        duration_us: Some(mixed % 5_000_000),
        exit: Some(i32::from(mixed.is_multiple_of(17))),
        assistant: None,
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(relay), Some(count)) = (arguments.next(), arguments.next()) else {
        return Err("usage: type_slowly RELAY COUNT".into());
    };
    let count: u64 = count.parse()?;
    let mut entropy = [0; 32];
    OsEntropy.fill(&mut entropy)?;
    let phrase = Phrase::from_entropy(&entropy);
    let address = Address::parse(&relay)?;
    let relay_key = probe(&address).await.map_err(|error| error.to_string())?;
    // It began long enough ago to be done by now.
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as u64;
    let now_ms = now_ms.saturating_sub((count + 10) * (PAUSE_MS + RUNS_MS));
    let mut env = Env { now_ms, entropy: &mut OsEntropy };
    let names = ("typist".to_owned(), "bench".to_owned());
    let root = RootKey::derive(&phrase)?;
    let joining = Joining::new(Intent::Create(None), root, relay_key, address.place(), names, &mut env)?;
    join(&address, joining.knock()).await?;
    let (disk, mut history) = (Disk::default(), History::new());
    history.set_complete();
    let rules = Rules { window_days: None, window_count: None, ..Rules::default() };
    let device = Device::load(&disk, rules)?;
    let mut typist = Typist { device, history, disk, now_ms, sends: Vec::new(), typed: 0, count };
    let joined = joining.finish();
    typist.decide(|device, history, _, env| device.adopt(joined, history, env).expect("randomness"));
    typist.do_what_is_due();
    // A session carries only so much; then there is another. One that the relay ends may be cut off in mid-sentence.
    let mut waiting_at_the_end = None;
    loop {
        let ended = carry(&mut typist, &address, relay_key).await;
        typist.device.handle_disconnected(RELAY);
        let left = (typist.count - typist.typed, typist.disk.queue.len());
        match ended {
            Ok(true) => break,
            Ok(false) => {}
            Err(error) if waiting_at_the_end == Some(left) => return Err(error),
            Err(_) => {}
        }
        waiting_at_the_end = Some(left);
        // The relay lets nobody talk without end.
        sleep(BETWEEN_SESSIONS).await;
    }
    writeln!(std::io::stdout(), "{}", phrase.words().join(" "))?;
    Ok(())
}

/// One session with the relay: whether everything was done in it.
async fn carry(typist: &mut Typist, address: &Address, relay_key: RelayKey) -> Result<bool, Box<dyn Error>> {
    let account = typist.device.account().ok_or("it joined")?;
    let static_key = Arc::new(account.vault().device().relay_static(&relay_key));
    let dialer = Dialer { address: address.clone(), relay_key: Some(relay_key), static_key };
    let mut session = dialer.open().await.map_err(|error| error.to_string())?;
    let hello = typist.device.handle_connected(RELAY).ok_or("a person has to decide")?;
    send(&mut session, [hello]).await?;
    while !session.is_spent() && !typist.is_done() {
        if typist.may_type() {
            typist.type_some();
        }
        let sends = typist.take_sends();
        send(&mut session, sends).await?;
        // With something left to type, nothing is waited for.
        let patience = if typist.may_type() { Duration::ZERO } else { Duration::from_secs(30) };
        if let Ok(message) = timeout(patience, session.receive()).await {
            let message = message.map_err(|error| error.to_string())?;
            if !typist.hear(message.ok_or("the relay closed the connection")?) {
                break;
            }
        }
    }
    let is_done = typist.is_done();
    session.close().await;
    Ok(is_done)
}

async fn send(session: &mut Session, messages: impl IntoIterator<Item = ToRelay>) -> Result<(), String> {
    for message in messages {
        session.send(&message).await.map_err(|error| error.to_string())?;
    }
    Ok(())
}
