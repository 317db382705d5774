//! The end that lets a device in: opens the mailbox, shows the code, answers whoever comes, has the newcomer listed once
//! both people have compared the words, and hands over.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use caro_core::{
    device::Env,
    pairing::{Answered, Code, Inviter, Meeting, PairError},
};
use caro_link::entropy::OsEntropy;
use caro_schema::{
    id::{Handle, Hash, RelayKey},
    ipc::{
        Fault,
        pair::{Attempted, Invitation, Pairing},
    },
    limits::{PAIR_OPEN_MS, PAIR_TRIES},
    pairing::RelayCard,
    redacted::Redacted,
    relay::{ErrorCode, ToDevice, ToRelay},
};

use tokio::time::timeout;

use super::{
    line::{Heard, Line, failed, on_loop, out_of_turn, refused},
    table::{Said, Table},
};
use crate::{clock::Moment, remote::Dialer, state::Shared};

/// How one relay is reached as a listed device.
pub struct Way {
    /// Where, and as whom.
    pub dialer: Dialer,
    /// The account there.
    pub handle: Handle,
    /// The relay's key.
    pub relay_key: RelayKey,
}

/// What the task needs to know.
pub struct Invite {
    /// The relays, the one for the mailbox first.
    pub ways: Vec<Way>,
    /// What this device is called.
    pub name: String,
    /// The same relays, as a newcomer is told of them.
    pub cards: Vec<RelayCard>,
    /// The first relay's address with its key.
    pub address: String,
}

/// How long after its end a code is still waited with: the relay says so itself, and its clock is another one.
const LATE: Duration = Duration::from_secs(5);

/// Mailbox numbers that are tried. At most a tenth of them is in use.
const NUMBERS_TRIED: usize = 20;

/// Lets one device in. Gives its name.
///
/// # Errors
/// What the person is told. Before the hand-over nothing was given.
pub async fn invite(shared: Arc<Shared>, table: Arc<Table>, plan: Invite) -> Result<String, Fault> {
    let way = plan.ways.first().ok_or(Fault::NotSynced)?;
    let code = Code::draw(&mut OsEntropy).map_err(|error| failed(error.into(), 0))?;
    let mut inviter = Inviter::new(code, way.relay_key, plan.name.clone(), plan.cards.clone());
    let mut line = Line::open(&way.dialer, table.clone(), true).await?;
    let (open, tries) = open_mailbox(&mut line, way.handle, &mut inviter).await?;
    let mut host = Host {
        shared,
        table,
        line,
        inviter,
        stage: Stage::Alone,
        tries: Tries::new(tries),
        last: None,
        contested: false,
        until: Instant::now() + open.min(Duration::from_millis(PAIR_OPEN_MS)),
        plan: &plan,
    };
    host.show_code();
    let outcome = host.run().await;
    if outcome.is_err() && !matches!(host.stage, Stage::Alone) {
        host.line.decline().await;
    }
    host.line.close().await;
    outcome
}

async fn open_mailbox(line: &mut Line, handle: Handle, inviter: &mut Inviter) -> Result<(Duration, u8), Fault> {
    line.send(&ToRelay::Errand { handle }).await?;
    welcomed(line).await?;
    for _ in 0..NUMBERS_TRIED {
        line.send(&ToRelay::Invite { number: inviter.code().number() }).await?;
        match line.answer().await? {
            ToDevice::Invited { open_ms, tries } => return Ok((Duration::from_millis(open_ms), tries)),
            ToDevice::Error { code: ErrorCode::MailboxTaken, .. } => {
                inviter.draw_again(&mut OsEntropy).map_err(|error| failed(error.into(), 0))?;
            }
            ToDevice::Error { code, .. } => return Err(refused(code, 0)),
            _ => return Err(out_of_turn()),
        }
    }
    Err(Fault::TooManyCodes)
}

async fn welcomed(line: &mut Line) -> Result<(), Fault> {
    match line.answer().await? {
        ToDevice::Welcome { .. } => Ok(()),
        ToDevice::Error { code, .. } => Err(refused(code, 0)),
        _ => Err(out_of_turn()),
    }
}

/// How far the newcomer has come that is there now.
enum Stage {
    /// Nobody is there.
    Alone,
    /// Somebody is.
    Visited,
    /// It was answered.
    Answered(Answered),
    /// It did not know the code and is being sent away.
    Rejected,
    /// It knows the code.
    Comparing(Comparing),
}

struct Comparing {
    meeting: Box<Meeting>,
    /// What the newcomer is to be listed as, once its person has compared the words.
    wish: Option<Vec<Hash>>,
    /// Whether this end's person has.
    same: bool,
}

struct Host<'a> {
    shared: Arc<Shared>,
    table: Arc<Table>,
    line: Line,
    inviter: Inviter,
    stage: Stage,
    tries: Tries,
    last: Option<Attempted>,
    contested: bool,
    until: Instant,
    plan: &'a Invite,
}

/// How often the code may still be tried. Counted here as well: a relay could be the one who tries, and it alone knows who
/// comes.
struct Tries {
    left: u8,
}

impl Tries {
    fn new(told: u8) -> Self {
        Self { left: told.min(PAIR_TRIES) }
    }

    /// Somebody comes, and so many are left by what the relay says.
    fn take(&mut self, told: u8) -> Result<(), Fault> {
        self.left = self.left.checked_sub(1).ok_or(Fault::NoTriesLeft)?.min(told);
        Ok(())
    }
}

impl Host<'_> {
    async fn run(&mut self) -> Result<String, Fault> {
        loop {
            match self.hear().await? {
                Heard::Lost => return Err(Fault::PairLost { handed_over: false }),
                Heard::Said(Said::Cancel) => return Err(Fault::PairDeclined),
                Heard::Said(Said::Same(false)) => return Err(Fault::WordsDiffer),
                Heard::Said(Said::Same(true)) => {
                    if let Stage::Comparing(comparing) = &mut self.stage {
                        comparing.same = true;
                    }
                }
                Heard::Message(message) => self.told(message).await?,
            }
            if let Stage::Comparing(Comparing { same: true, wish: Some(keys), .. }) = &self.stage {
                let keys = keys.clone();
                return self.finish(&keys).await;
            }
        }
    }

    /// What is heard next. Who knows the code may take their time to compare words; nobody else is waited for longer than
    /// the code is worth something, whatever the relay does.
    async fn hear(&mut self) -> Result<Heard, Fault> {
        if matches!(self.stage, Stage::Comparing(_)) {
            return Ok(self.line.hear().await);
        }
        let left = (self.until + LATE).saturating_duration_since(Instant::now());
        timeout(left, self.line.hear()).await.map_err(|_| Fault::CodeExpired)
    }

    async fn told(&mut self, message: ToDevice) -> Result<(), Fault> {
        match message {
            ToDevice::Claimed { tries_left } => {
                self.tries.take(tries_left)?;
                self.stage = Stage::Visited;
                self.table.show(Pairing::Meeting);
                Ok(())
            }
            ToDevice::Contested => {
                (self.contested, self.last) = (true, Some(Attempted::Contested));
                if matches!(&self.stage, Stage::Comparing(comparing) if !comparing.same) {
                    self.show_words();
                }
                Ok(())
            }
            ToDevice::Left => self.left(),
            ToDevice::Mail { letter } => self.read(&letter).await,
            ToDevice::Error { code, .. } => Err(refused(code, self.tries.left)),
            _ => Err(out_of_turn()),
        }
    }

    fn left(&mut self) -> Result<(), Fault> {
        self.last = match std::mem::replace(&mut self.stage, Stage::Alone) {
            Stage::Comparing(_) => return Err(Fault::PairLost { handed_over: false }),
            Stage::Rejected => Some(Attempted::WrongCode),
            Stage::Alone | Stage::Visited | Stage::Answered(_) => Some(Attempted::Left),
        };
        self.show_code();
        Ok(())
    }

    async fn read(&mut self, letter: &[u8]) -> Result<(), Fault> {
        match std::mem::replace(&mut self.stage, Stage::Rejected) {
            Stage::Visited => match self.inviter.answer(letter, &mut OsEntropy) {
                Ok((answered, answer)) => {
                    self.stage = Stage::Answered(answered);
                    self.line.mail(answer).await
                }
                Err(error) => self.reject(error).await,
            },
            Stage::Answered(answered) => match answered.check(letter, &self.inviter) {
                Ok((meeting, reveal)) => {
                    let meeting = Box::new(meeting);
                    self.stage = Stage::Comparing(Comparing { meeting, wish: None, same: false });
                    self.line.mail(reveal).await?;
                    self.show_words();
                    Ok(())
                }
                Err(error) => self.reject(error).await,
            },
            Stage::Comparing(mut comparing) if comparing.wish.is_none() => {
                let wish = comparing.meeting.wish(letter).map_err(|error| failed(error, 0))?;
                comparing.wish = Some(wish);
                self.stage = Stage::Comparing(comparing);
                Ok(())
            }
            // Its person has changed their mind, or it has lost its way.
            Stage::Comparing(_) => Err(Fault::PairDeclined),
            // It is on its way out.
            Stage::Rejected | Stage::Alone => Ok(()),
        }
    }

    /// Sends a newcomer away that cannot be the right one. Another may come while tries are left.
    async fn reject(&mut self, error: PairError) -> Result<(), Fault> {
        match error {
            PairError::Entropy(_) | PairError::Version => Err(failed(error, 0)),
            _ => self.line.send(&ToRelay::Reject).await,
        }
    }

    fn show_code(&self) {
        let invitation = Invitation {
            code: Redacted::new(self.inviter.code().text().to_string()),
            relay: self.plan.address.clone(),
            left_ms: 0,
            tries_left: self.tries.left,
            last: self.last,
        };
        self.table.show_code(invitation, self.until);
    }

    fn show_words(&self) {
        let Stage::Comparing(comparing) = &self.stage else { return };
        self.table.show(Pairing::Compare {
            words: comparing.meeting.words().words(),
            name: comparing.meeting.name().to_owned(),
            contested: self.contested,
        });
    }

    /// Both people have compared the words.
    async fn finish(&mut self, keys: &[Hash]) -> Result<String, Fault> {
        let mut listed = Vec::new();
        for (at, (way, key)) in self.plan.ways.iter().zip(keys).enumerate() {
            if self.table.is_cancelled() {
                return Err(Fault::PairDeclined);
            }
            if at == 0 {
                admit(&mut self.line, *key).await?;
            } else if let Err(fault) = list_elsewhere(way, self.table.clone(), *key).await {
                // It gets everything from the first one, and can be listed here with the phrase.
                tracing::warn!(%fault, "a new device was not listed at one of the relays");
                continue;
            }
            listed.push(way.relay_key);
        }
        let Stage::Comparing(Comparing { meeting, .. }) = &mut self.stage else { return Err(Fault::NoPairing) };
        let (certificate, name) = (meeting.certificate().clone(), meeting.name().to_owned());
        let handed = on_loop(&self.shared, move |state| {
            let account = state.device.account().ok_or(Fault::NotSynced)?;
            let mut env = Env { now_ms: Moment::now().now_ms(), entropy: &mut OsEntropy };
            account.hand_over(certificate, &listed, &mut env).map_err(|error| failed(error.into(), 0))
        });
        let letter = meeting.hand_over(&handed.await??.handed);
        if !self.table.begin_hand_over() {
            return Err(Fault::PairDeclined);
        }
        self.line.mail(letter).await?;
        self.landed().await.map(|()| name)
    }

    /// From here on the newcomer may be in, whatever is heard of it.
    async fn landed(&mut self) -> Result<(), Fault> {
        loop {
            match self.line.answer().await {
                Ok(ToDevice::Contested) => {}
                Ok(ToDevice::Mail { letter }) if Meeting::has_landed(&letter).is_ok() => return Ok(()),
                Ok(_) | Err(_) => return Err(Fault::PairLost { handed_over: true }),
            }
        }
    }
}

/// At a relay without the mailbox.
async fn list_elsewhere(way: &Way, table: Arc<Table>, key: Hash) -> Result<(), Fault> {
    let mut line = Line::open(&way.dialer, table, true).await?;
    line.send(&ToRelay::Errand { handle: way.handle }).await?;
    welcomed(&mut line).await?;
    admit(&mut line, key).await?;
    line.close().await;
    Ok(())
}

async fn admit(line: &mut Line, key: Hash) -> Result<(), Fault> {
    line.send(&ToRelay::Admit { key }).await?;
    loop {
        match line.answer().await? {
            ToDevice::Admitted { key: admitted } if admitted == key => return Ok(()),
            ToDevice::Error { code, .. } => return Err(refused(code, 0)),
            ToDevice::Contested => {}
            ToDevice::Left => return Err(Fault::PairLost { handed_over: false }),
            _ => return Err(out_of_turn()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trap_09_a_code_is_tried_three_times_whatever_a_relay_says_is_left() {
        let mut tries = Tries::new(200);
        for _ in 0..PAIR_TRIES {
            tries.take(200).expect("it is left");
        }
        assert!(matches!(tries.take(200), Err(Fault::NoTriesLeft)));
        let mut fewer = Tries::new(3);
        fewer.take(0).expect("the first");
        assert!(matches!(fewer.take(3), Err(Fault::NoTriesLeft)), "it does not get more again");
    }
}
