//! Between the drivers and the device: reports go in, steps come out, and what can be sent is sent. Only the main
//! loop calls this; nothing here waits.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use caro_core::{
    device::{Account, Joined},
    step::{Notice, RemoteNumber},
    sync::{Mark, Remote, State as Course},
};
use caro_schema::ipc::{
    Fault, Reply,
    sync::{StopReason, SyncStatus, Warning},
};

use crate::{
    apply::Follows,
    remote::{Address, Dialer, Report, links::Run},
    state::{Replier, State, answer},
};

/// Somebody who waits until everything that was known when they asked is on both sides.
pub struct Waiter {
    reply: Replier,
    until: Instant,
    goal: Goal,
}

/// What somebody waits for. Never for a moment in which nothing is on its way: while a person types on, there may be none.
enum Goal {
    /// That what shells had written is taken in.
    Spool,
    /// That it is made into ops.
    Sealed { at_ms: u64 },
    /// That each remote that can do it has come so far.
    Exchanged { marks: Vec<(RemoteNumber, Mark)> },
}

impl State {
    /// Starts a connection to each relay, if this device is in an account and may use the network.
    pub fn start_remotes(&mut self) {
        let Some(account) = self.device.account().filter(|account| account.is_enabled()) else { return };
        let dialers: Vec<(RemoteNumber, Dialer)> = account
            .remotes()
            .filter_map(|remote| {
                if matches!(remote.state(), Course::Stopped(_)) {
                    return None;
                }
                let Ok(address) = Address::parse(&remote.record.address) else {
                    tracing::error!(remote = remote.number, "the relay's stored address cannot be read");
                    return None;
                };
                let relay_key = remote.record.relay_key;
                let static_key = Arc::new(account.vault().device().relay_static(&relay_key));
                Some((remote.number, Dialer { address, relay_key: Some(relay_key), static_key }))
            })
            .collect();
        for (number, dialer) in dialers {
            // One that is connected stays so when another is added.
            if !self.links.runs(number) {
                self.links.start(number, dialer);
            }
        }
    }

    /// Takes what a driver reports.
    pub fn handle_report(&mut self, number: RemoteNumber, run: Run, report: Report) {
        if !self.links.is_current(number, run) {
            return;
        }
        match report {
            Report::Connected { handshake: _, session } => {
                self.links.connected(number, session);
                match self.device.handle_connected(number) {
                    Some(hello) => self.links.send(number, hello),
                    None => self.links.stop_one(number),
                }
            }
            Report::Message(message, permit) => {
                let decided = self.choose_with_rows(|device, history, rows, env| {
                    device.handle_message(number, *message, history, rows, env)
                });
                let Ok((step, close)) = decided else { return };
                if let Err(fault) = self.carry_out(step) {
                    tracing::warn!(%fault, "what a relay sent waits to be written");
                }
                drop(permit);
                if let Some(retry_ms) = close {
                    self.end_session(number, retry_ms);
                }
                self.push(number);
            }
            Report::Disconnected { fault, was_open, retry_in_ms } => {
                self.device.handle_disconnected(number);
                if !was_open {
                    // What it said the last time explains nothing any more.
                    self.device.handle_unreachable(number);
                }
                match retry_in_ms {
                    Some(pause_ms) => self.links.note_attempt(number, Some(reason(&fault)), pause_ms),
                    None => {
                        let step = self.device.stop_remote(number, StopReason::KeyChanged);
                        self.links.stop_one(number);
                        if let Err(fault) = self.carry_out(step) {
                            tracing::warn!(%fault, "that a relay's key changed waits to be written");
                        }
                    }
                }
            }
        }
        self.answer_waiters();
    }

    /// The device wants no more of this session: for now, or until a person decides.
    fn end_session(&mut self, number: RemoteNumber, retry_ms: Option<u64>) {
        let account = self.device.account();
        let stopped = account
            .and_then(|account| account.remote(number))
            .is_some_and(|remote| matches!(remote.state(), Course::Stopped(_)));
        if stopped {
            self.links.stop_one(number);
        } else {
            self.links.close(number, retry_ms);
        }
        self.device.handle_disconnected(number);
    }

    /// Does what follows once a step is durable.
    pub fn follow(&mut self, follows: Follows) {
        let Follows { sends, notices } = follows;
        for (number, message) in sends {
            self.links.send(number, message);
        }
        if notices.contains(&Notice::Shared) {
            self.write_shared_files();
        }
        if notices.contains(&Notice::Sync) {
            let numbers: Vec<RemoteNumber> = self
                .device
                .account()
                .map(|account| account.remotes().map(|remote| remote.number).collect())
                .unwrap_or_default();
            for number in numbers {
                self.push(number);
            }
            self.answer_waiters();
        }
    }

    /// Sends what can be sent to one relay now. Only what is durable is in the queue that this reads.
    fn push(&mut self, number: RemoteNumber) {
        if self.applier.is_stuck() {
            return;
        }
        loop {
            match self.device.poll_send(number, self.applier.store()) {
                Ok(Some(message)) => self.links.send(number, message),
                Ok(None) => return,
                Err(_) => {
                    tracing::error!("the outbox could not be read");
                    self.links.close(number, None);
                    self.device.handle_disconnected(number);
                    return;
                }
            }
        }
    }

    /// Becomes a member of an account, and connects.
    ///
    /// # Errors
    /// When it is one already, or the step waits to be written.
    pub fn adopt(&mut self, joined: Joined) -> Result<Reply, Fault> {
        if self.device.account().is_some() {
            return Err(Fault::AlreadySynced);
        }
        self.decide(|device, history, env| Ok((device.adopt(joined, history, env)?, ())))?;
        self.start_remotes();
        Ok(Reply::Sync(self.sync_status()))
    }

    /// Leaves the account of a home that was copied, or of a device that was taken off, so that it can join as a new one.
    ///
    /// # Errors
    /// When the store cannot be read or written to.
    pub fn leave_for_another(&mut self) -> Result<(), Fault> {
        if !self.device.account().is_some_and(Account::may_come_again) {
            return Ok(());
        }
        self.links.stop();
        self.decide_with_rows(|device, _, rows, _| device.leave(rows))
    }

    /// How syncing is.
    pub fn sync_status(&self) -> SyncStatus {
        match self.device.account() {
            Some(account) => {
                let mut status = account.status(|remote| self.links.attempt(remote.number));
                let left = self.device.left().map(|old| Warning::NotEmptied { address: old.address.clone() });
                status.warnings.extend(left);
                status
            }
            None => SyncStatus::default(),
        }
    }

    /// Answers when everything that is known now is on both sides, or after a while as it is then.
    pub fn wait_in_step(&mut self, reply: Replier, at_most: Duration) {
        self.waiters.push(Waiter { reply, until: Instant::now() + at_most, goal: Goal::Spool });
        self.answer_waiters();
    }

    /// When somebody has waited long enough.
    pub fn waiters_due(&self) -> Option<Instant> {
        self.waiters.iter().map(|waiter| waiter.until).min()
    }

    /// Answers those whose waiting is over.
    pub fn answer_waiters(&mut self) {
        if self.waiters.is_empty() {
            return;
        }
        let is_taken_in = self.unread_sessions.is_empty();
        let waits_for_all = self.waiters.iter().any(|waiter| matches!(waiter.goal, Goal::Spool));
        if is_taken_in
            && waits_for_all
            && self.is_ready()
            && let Err(fault) = self.decide(|device, _, env| Ok((device.say_counts(env)?, ())))
        {
            tracing::debug!(%fault, "counts are said later");
        }
        let account = self.device.account();
        let now = Instant::now();
        let is_over = |waiter: &mut Waiter| {
            let is_there = |account: &Account| !account.is_enabled() || waiter.goal.is_reached(account);
            waiter.until <= now || (is_taken_in && account.is_none_or(is_there))
        };
        let due: Vec<Waiter> = self.waiters.extract_if(.., is_over).collect();
        for Waiter { reply, goal, .. } in due {
            let exchanged = self.device.account().is_some_and(|account| goal.is_met(account));
            answer(reply, Ok(Reply::Sync(SyncStatus { exchanged, ..self.sync_status() })));
        }
    }
}

impl Goal {
    /// Whether waiting longer would change nothing: what was known is on both sides, or a person has to do something
    /// first. Goes on to the next goal where one is reached.
    fn is_reached(&mut self, account: &Account) -> bool {
        if let Self::Spool = self
            && let Some(at_ms) = account.sealed_at_ms()
        {
            *self = Self::Sealed { at_ms };
        }
        if let Self::Sealed { at_ms } = self
            && account.is_sealed_up_to(*at_ms)
        {
            *self = Self::Exchanged { marks: account.remotes().map(|remote| (remote.number, remote.mark())).collect() };
        }
        self.holds(account, |remote, mark| matches!(remote.state(), Course::Stopped(_)) || remote.is_past(mark))
    }

    /// Whether what was known is on both sides.
    fn is_met(&self, account: &Account) -> bool {
        account.is_enabled() && self.holds(account, Remote::is_past)
    }

    fn holds(&self, account: &Account, is_there: impl Fn(&Remote, &Mark) -> bool) -> bool {
        let Self::Exchanged { marks } = self else { return false };
        // A remote that was removed meanwhile is waited for no longer.
        marks.iter().all(|(number, mark)| account.remote(*number).is_none_or(|remote| is_there(remote, mark)))
    }
}

/// Why a connection failed, without the host that stands beside it anyway.
fn reason(fault: &Fault) -> String {
    match fault {
        Fault::Unreachable { reason, .. } => reason.clone(),
        other => other.to_string(),
    }
}
