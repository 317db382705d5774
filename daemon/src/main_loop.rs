//! The loop: one enum of events, one owner of the state, one thread.
//!
//! Nothing here waits for a network or a client. Each turn takes at most one event, then does the most urgent thing
//! that is due: writing what could not be written, reading history, reading the spool, the device's own timers, and
//! the rounds. What arrives before history is read, or while the store cannot be written to, waits its turn.

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError},
    time::{Duration, Instant},
};

use caro_core::step::RemoteNumber;
use caro_schema::ipc::{Fault, Reply, Request};

use crate::{
    clock::Moment,
    handlers,
    ipc::Listener,
    lifecycle::Program,
    lock::Lock,
    remote::{Report, links::Run},
    spool::watch::Look,
    state::{Replier, State, answer},
};

/// A reason to wake.
pub enum Event {
    /// Shells have written something.
    Spool,
    /// A client asks what only the loop can answer.
    Call {
        /// What.
        request: Box<Request>,
        /// Where the answer goes.
        reply: Replier,
    },
    /// A driver reports.
    Remote {
        /// Of which relay.
        number: RemoteNumber,
        /// Of which start.
        run: Run,
        /// What.
        report: Report,
    },
    /// A task is done; this is how it goes on here.
    Then(Box<dyn FnOnce(&mut State) + Send>),
    /// The system asks the daemon to end.
    Stop,
}

/// Why the loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It was asked to.
    Stopped,
    /// Another program stands in this one's place, and wants to run.
    Replaced,
    /// Another daemon may hold the lock by now.
    LockLost,
    /// History could not be read.
    Unreadable,
}

/// What the loop looks after besides the state.
pub struct Surroundings {
    /// The lock, checked now and then.
    pub lock: Lock,
    /// The program's own file, checked now and then.
    pub program: Program,
    /// The socket, and how to make it anew.
    pub listener: Listener,
    /// Makes the socket anew when it is gone.
    pub listen_again: Box<dyn Fn() -> Option<Listener>>,
}

/// How long after a notification the spool is read. bash writes a record in three pieces; a command and its end, or
/// two shells at once, are one transaction. Longer would be felt on the other device.
const SETTLE: Duration = Duration::from_millis(8);

/// Rounds while shells are at work: an end that was not notified, a file that can go.
const ROUND_ACTIVE: Duration = Duration::from_secs(5);

/// Rounds when nothing happens. Each wakes the processor.
const ROUND_IDLE: Duration = Duration::from_secs(60);

/// Rounds where the system tells nothing of the spool: how late a command may show.
const ROUND_BLIND: Duration = Duration::from_millis(500);

/// After the last notification, so long counts as being at work.
const ACTIVE_FOR: Duration = Duration::from_secs(120);

/// The pause after the device could not do what was due.
const TIMER_PAUSE: Duration = Duration::from_secs(1);

/// The longest sleep, so that a clock that was set is noticed.
const SLEEP_MAX: Duration = Duration::from_secs(60);

/// How long an ending daemon goes on taking in the spool. What is left is taken in at the next start.
const DRAIN_FOR: Duration = Duration::from_secs(5);

/// The loop.
pub struct MainLoop {
    state: State,
    around: Surroundings,
    events: Receiver<Event>,
    spool_at: Option<Instant>,
    round_at: Instant,
    last_activity: Option<Instant>,
    timer_not_before: Instant,
}

impl MainLoop {
    /// Ready to run.
    pub fn new(state: State, around: Surroundings, events: Receiver<Event>) -> Self {
        let now = Instant::now();
        Self { state, around, events, spool_at: None, round_at: now, last_activity: None, timer_not_before: now }
    }

    /// Runs until something ends it. What was taken is then durable.
    pub fn run(mut self) -> (End, Surroundings) {
        let end = loop {
            match self.next_event() {
                Ok(Some(event)) => self.handle(event),
                Ok(None) => {}
                // Nobody is left who could ask for anything.
                Err(()) => break End::Stopped,
            }
            if let Err(end) = self.do_what_is_due() {
                break end;
            }
            if self.state.is_broken {
                return (End::Unreadable, self.around);
            }
            if self.state.stopping {
                self.drain();
                break End::Stopped;
            }
        };
        self.state.applier.checkpoint();
        for reply in self.state.farewells.drain(..) {
            answer(reply, Ok(Reply::Done));
        }
        (end, self.around)
    }

    fn next_event(&mut self) -> Result<Option<Event>, ()> {
        if self.state.is_ready()
            && let Some(event) = self.state.deferred.pop_front()
        {
            return Ok(Some(event));
        }
        let sleep = self.sleep();
        if sleep.is_zero() {
            return match self.events.try_recv() {
                Ok(event) => Ok(Some(event)),
                Err(TryRecvError::Empty) => Ok(None),
                Err(TryRecvError::Disconnected) => Err(()),
            };
        }
        match self.events.recv_timeout(sleep) {
            Ok(event) => Ok(Some(event)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(()),
        }
    }

    /// How long until something is due.
    fn sleep(&self) -> Duration {
        if !self.state.is_loaded() {
            return Duration::ZERO;
        }
        let now = Instant::now();
        if let Some(at) = self.state.applier.retry_at() {
            return at.min(self.round_at).saturating_duration_since(now);
        }
        if !self.state.unread_sessions.is_empty() {
            return Duration::ZERO;
        }
        let timer = self.state.device.wake_at_ms().map(|at_ms| {
            let at = now + Duration::from_millis(at_ms.saturating_sub(Moment::now().now_ms()));
            at.max(self.timer_not_before)
        });
        let (waiters, retention) = (self.state.waiters_due(), self.state.retention_due());
        let due = [Some(self.round_at), self.spool_at, timer, waiters, retention].into_iter().flatten().min();
        due.map_or(SLEEP_MAX, |at| at.saturating_duration_since(now)).min(SLEEP_MAX)
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Spool => {
                let now = Instant::now();
                self.last_activity = Some(now);
                self.round_at = self.round_at.min(now + ROUND_ACTIVE);
                self.spool_at.get_or_insert(now + SETTLE);
            }
            Event::Stop => self.begin_to_stop(),
            event @ (Event::Remote { .. } | Event::Then(_)) if !self.state.is_ready() => {
                // Bounded by the drivers' permits, and by what clients have asked.
                self.state.deferred.push_back(event);
            }
            Event::Remote { number, run, report } => self.state.handle_report(number, run, report),
            Event::Then(finish) => finish(&mut self.state),
            Event::Call { request, reply } => match *request {
                Request::Stop => {
                    self.begin_to_stop();
                    self.state.farewells.push(reply);
                }
                request => self.handle_call(request, reply),
            },
        }
    }

    fn handle_call(&mut self, request: Request, reply: Replier) {
        let only_looks = matches!(
            request,
            Request::DaemonStatus
                | Request::Doctor { .. }
                | Request::Reload
                | Request::SyncStatus
                | Request::SyncDevices
        );
        if only_looks || self.state.is_ready() {
            return handlers::handle(&mut self.state, request, reply);
        }
        match self.state.applier.stuck_reason() {
            // Whoever asks for a change must hear that it cannot be made now.
            Some(reason) => answer(reply, Err(Fault::Storage { reason: reason.to_owned() })),
            None => self.state.deferred.push_back(Event::Call { request: Box::new(request), reply }),
        }
    }

    fn do_what_is_due(&mut self) -> Result<(), End> {
        let now = Instant::now();
        if self.state.applier.is_stuck()
            && let Ok(follows) = self.state.applier.retry(false)
        {
            self.state.follow(follows);
            self.state.scan_spool();
        }
        if !self.state.is_loaded() {
            self.state.load_block().map_err(|fault| {
                tracing::error!(%fault, "history could not be read");
                End::Unreadable
            })?;
        }
        if self.spool_at.is_some_and(|at| at <= now) {
            self.spool_at = None;
            match self.state.watch.look() {
                Some(Look::Sessions(sessions)) => self.state.unread_sessions.extend(sessions),
                Some(Look::Everything) => self.round_at = now,
                None => {}
            }
        }
        if self.state.is_ready() {
            self.decide_what_is_due();
        }
        if self.round_at <= now {
            self.go_round(now)?;
        }
        Ok(())
    }

    fn decide_what_is_due(&mut self) {
        if let Err(fault) = self.state.wipe_spool() {
            tracing::debug!(%fault, "places in shells' files wait to be written");
        }
        if !self.state.unread_sessions.is_empty()
            && let Err(fault) = self.state.read_spool()
        {
            self.fail_flushes(&fault);
        }
        if self.state.is_ready() {
            self.state.answer_flushes();
            self.run_timer();
            self.state.empty_what_was_left();
            self.state.answer_waiters();
        }
        if self.state.is_ready()
            && self.state.retention_due().is_some_and(|at| at <= Instant::now())
            && let Err(fault) = self.state.let_go()
        {
            tracing::debug!(%fault, "what may go waits to be deleted");
        }
    }

    /// The loop ends after this round. What this device has seen is said while there is a connection to say it on; if
    /// there is none, it is said at the next start.
    fn begin_to_stop(&mut self) {
        if !self.state.stopping
            && self.state.is_ready()
            && let Err(fault) = self.state.decide(|device, _, env| Ok((device.say_farewell(env)?, ())))
        {
            tracing::debug!(%fault, "what was seen is said at the next start");
        }
        self.state.stopping = true;
    }

    /// Lets the device do what has become due.
    fn run_timer(&mut self) {
        let now_ms = Moment::now().now_ms();
        self.state.device.note_clock(now_ms);
        let is_due = self.state.device.wake_at_ms().is_some_and(|at_ms| at_ms <= now_ms);
        if is_due
            && self.timer_not_before <= Instant::now()
            && let Err(fault) =
                self.state.decide_with_rows(|device, history, rows, env| device.handle_timer(history, rows, env))
        {
            tracing::warn!(%fault, "what was due could not be done");
            self.timer_not_before = Instant::now() + TIMER_PAUSE;
        }
    }

    fn fail_flushes(&mut self, fault: &Fault) {
        for reply in self.state.flushes.drain(..) {
            answer(reply, Err(fault.clone()));
        }
    }

    /// Looks after everything that nobody tells of.
    fn go_round(&mut self, now: Instant) -> Result<(), End> {
        if !self.around.lock.is_in_place() {
            tracing::error!("the lock's file was removed; another daemon may run");
            return Err(End::LockLost);
        }
        if !self.around.listener.is_in_place()
            && let Some(listener) = (self.around.listen_again)()
        {
            tracing::info!("the socket was gone and is made anew");
            self.state.socket = listener.path().to_owned();
            self.around.listener = listener;
        }
        match self.state.watch.renew() {
            Ok(true) => tracing::info!("the spool folder is watched anew"),
            Ok(false) => {}
            Err(error) => tracing::warn!(error = error.kind(), "the spool folder cannot be used"),
        }
        self.state.scan_spool();
        if self.state.is_ready() {
            if let Err(fault) = self.state.sweep_spool() {
                tracing::debug!(%fault, "the sweep waits to be written");
            }
            self.state.applier.checkpoint();
        }
        if self.state.shared_files_due {
            self.state.write_shared_files();
        }
        if self.state.is_ready()
            && let Err(fault) = self.state.look_after_rules()
        {
            tracing::debug!(%fault, "a rule waits to be put in force");
        }
        let active = self.last_activity.is_some_and(|at| now.duration_since(at) < ACTIVE_FOR);
        self.round_at = now
            + match (self.state.watch.is_live(), active) {
                (false, _) => ROUND_BLIND,
                (true, true) => ROUND_ACTIVE,
                (true, false) => ROUND_IDLE,
            };
        if self.state.is_idle() && self.around.program.was_replaced() {
            tracing::info!("the program was replaced; starting the new one");
            return Err(End::Replaced);
        }
        Ok(())
    }

    /// Takes in what shells have written by now, so that nothing waits for the next start.
    fn drain(&mut self) {
        let deadline = Instant::now() + DRAIN_FOR;
        if !self.state.is_loaded() {
            return;
        }
        if self.state.applier.is_stuck() && self.state.applier.retry(true).is_err() {
            return;
        }
        self.state.scan_spool();
        while self.state.is_ready() && !self.state.unread_sessions.is_empty() && Instant::now() < deadline {
            if let Err(fault) = self.state.read_spool() {
                tracing::warn!(%fault, "not everything could be taken in before the end");
            }
        }
        self.state.answer_flushes();
    }
}
