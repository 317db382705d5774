//! What is counted, for whoever watches the relay: numbers about the relay, none about anybody. No label says who; the only
//! ones are reasons and codes, of which there are a fixed few.

use std::{
    fmt::{Display, Write},
    sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    time::Duration,
};

use caro_schema::relay::{Entry, ErrorCode, ToDevice};

use crate::{
    admission::Rejection,
    engine::Outgoing,
    log::{Changed, Noted},
    store::{Batch, Outcome},
};

/// A number that is only written and shown.
#[derive(Debug, Default)]
pub struct Number(AtomicU64);

impl Number {
    /// Adds.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// Sets.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// What it is.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How the disk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// It takes what it is given.
    Working,
    /// It has less room than is to stay free: it takes nothing in.
    Full,
    /// It failed, and the database is being opened anew.
    Failed,
    /// Something in the database does not fit together. Accounts that it does not concern are served.
    Damaged,
}

/// Everything that is counted.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Connections that were accepted.
    pub accepted: Number,
    refused: [Number; Rejection::ALL.len()],
    /// Connections that came to no session.
    pub unopened: Number,
    /// Sessions whose handshake was done.
    pub handshakes: Number,
    /// Connections that took too little of what they were sent.
    pub cut_off: Number,
    /// Messages that came.
    pub messages: Number,
    errors: [Number; CODES.len()],
    /// Cells that were stored.
    pub cells_stored: Number,
    /// Bytes of them.
    pub bytes_stored: Number,
    /// Cells that were sent.
    pub cells_served: Number,
    /// Bytes of them.
    pub bytes_served: Number,
    /// Cells that were forgotten: purged, or by the mailbox mode.
    pub cells_forgotten: Number,
    commit: Histogram,
    /// Accounts.
    pub accounts: Number,
    /// Entries that were ever pushed.
    pub entries: Number,
    /// Bytes of the database.
    pub database_bytes: Number,
    /// Bytes of its write-ahead log.
    pub wal_bytes: Number,
    /// Bytes that are free on its disk.
    pub disk_free_bytes: Number,
    /// Configurations that were taken over while running.
    pub reloads: Number,
    /// Configurations or certificates that were not.
    pub reload_failures: Number,
    storage: AtomicU8,
    damaged: AtomicBool,
}

/// Seconds at which the histogram of commits has its steps.
const STEPS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];

#[derive(Debug, Default)]
struct Histogram {
    steps: [Number; STEPS.len()],
    count: Number,
    microseconds: Number,
}

/// The codes that are told apart; the last stands for those of mailboxes, of which each is its own.
const CODES: [(ErrorCode, &str); 18] = [
    (ErrorCode::Malformed, "malformed"),
    (ErrorCode::NotKnown, "not_known"),
    (ErrorCode::Exists, "exists"),
    (ErrorCode::BadProof, "bad_proof"),
    (ErrorCode::ListOutOfStep, "list_out_of_step"),
    (ErrorCode::Removed, "removed"),
    (ErrorCode::TooLarge, "too_large"),
    (ErrorCode::QuotaExceeded, "quota_exceeded"),
    (ErrorCode::RateLimited, "rate_limited"),
    (ErrorCode::TooManyConnections, "too_many_connections"),
    (ErrorCode::RegistrationRefused, "registration_refused"),
    (ErrorCode::StorageUnavailable, "storage_unavailable"),
    (ErrorCode::CursorAhead, "cursor_ahead"),
    (ErrorCode::ShuttingDown, "shutting_down"),
    (ErrorCode::Idle, "idle"),
    (ErrorCode::SessionExpired, "session_expired"),
    (ErrorCode::Missed, "missed"),
    (ErrorCode::NoMailbox, "mailbox"),
];

/// Numbers that are asked for when they are shown.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gauges {
    /// Open connections.
    pub connections: u64,
    /// Of these, those that have not said who they are.
    pub opening: u64,
    /// Sessions.
    pub sessions: u64,
    /// Bytes that wait to be sent or are being sent.
    pub outbox_bytes: u64,
    /// Bytes held for messages of which a part has come.
    pub arriving_bytes: u64,
    /// Requests that wait for the disk.
    pub requests_waiting: u64,
    /// Seconds since the start.
    pub uptime_seconds: u64,
}

impl Metrics {
    /// A connection was not taken.
    pub fn rejected(&self, rejection: Rejection) {
        if let Some(at) = Rejection::ALL.iter().position(|(known, _)| *known == rejection) {
            self.refused[at].add(1);
        }
    }

    /// A message goes to a device.
    pub fn said(&self, outgoing: &Outgoing) {
        let Outgoing::Message(message) = outgoing else { return };
        match &**message {
            ToDevice::Error { code, .. } => {
                let at = CODES.iter().position(|(known, _)| known == code);
                self.errors[at.unwrap_or(CODES.len() - 1)].add(1);
            }
            ToDevice::Page(page) => {
                for entry in &page.entries {
                    if let Entry::Cell(cell) = entry {
                        self.cells_served.add(1);
                        self.bytes_served.add(cell.len() as u64);
                    }
                }
            }
            _ => {}
        }
    }

    /// A transaction is done.
    pub fn committed(&self, batch: &Batch, took: Duration) {
        let mut changed = false;
        for done in &batch.done {
            let Ok(Outcome::Changed(change, _)) = &done.outcome else { continue };
            changed = true;
            if let Changed::Purged(count) | Changed::Noted(Noted { forgotten: count, .. }) = change {
                self.cells_forgotten.add(*count);
            }
        }
        for advanced in &batch.advanced {
            self.cells_stored.add(advanced.entries.len() as u64);
            self.bytes_stored.add(advanced.entries.iter().map(|(_, cell)| cell.len() as u64).sum());
        }
        if changed {
            self.commit.observe(took);
        }
    }

    /// How the disk is from now on.
    pub fn set_storage(&self, storage: Storage) {
        self.storage.store(storage as u8, Ordering::Relaxed);
    }

    /// Whether the disk has room. What has failed stays so until it is opened anew.
    pub fn set_room(&self, has_room: bool) {
        if self.storage() != Storage::Failed {
            self.set_storage(if has_room { Storage::Working } else { Storage::Full });
        }
    }

    /// Something in the database does not fit together, which does not pass by itself: it is so until the relay is started again.
    pub fn set_damaged(&self) {
        self.damaged.store(true, Ordering::Relaxed);
    }

    /// How the disk is; the worst of what is so.
    pub fn storage(&self) -> Storage {
        match self.storage.load(Ordering::Relaxed) {
            0 if self.damaged.load(Ordering::Relaxed) => Storage::Damaged,
            0 => Storage::Working,
            1 => Storage::Full,
            _ => Storage::Failed,
        }
    }

    /// Everything, in the text format of Prometheus.
    pub fn show(&self, gauges: Gauges) -> String {
        let mut page = Page(String::new());
        page.build();
        page.gauge("connections", "Open connections.", gauges.connections);
        page.gauge("connections_opening", "Of these, those that have not said who they are.", gauges.opening);
        page.gauge("sessions", "Sessions.", gauges.sessions);
        page.gauge(
            "outbox_bytes",
            "Bytes that wait to be sent or are being sent, to all devices.",
            gauges.outbox_bytes,
        );
        page.gauge("arriving_bytes", "Bytes held for messages of which a part has come.", gauges.arriving_bytes);
        page.gauge("requests_waiting", "Requests that wait for the disk.", gauges.requests_waiting);
        page.gauge("uptime_seconds", "Seconds since the start.", gauges.uptime_seconds);
        page.counter("connections_accepted_total", "Connections that were accepted.", self.accepted.value());
        let refused = Rejection::ALL.iter().zip(&self.refused).map(|((_, reason), count)| (*reason, count.value()));
        page.labelled("connections_refused_total", "Connections that a limit refused.", "reason", refused);
        page.counter("connections_unopened_total", "Connections that came to no session.", self.unopened.value());
        page.counter("handshakes_total", "Handshakes that were done.", self.handshakes.value());
        page.counter(
            "sessions_cut_off_total",
            "Sessions that took too little of what they were sent.",
            self.cut_off.value(),
        );
        page.counter("messages_total", "Messages that came.", self.messages.value());
        let codes = CODES.iter().zip(&self.errors).map(|((_, code), count)| (*code, count.value()));
        page.labelled("errors_total", "Errors that devices were told.", "code", codes);
        page.counter("cells_stored_total", "Cells that were stored.", self.cells_stored.value());
        page.counter("cell_bytes_stored_total", "Bytes of cells that were stored.", self.bytes_stored.value());
        page.counter("cells_served_total", "Cells that were sent.", self.cells_served.value());
        page.counter("cell_bytes_served_total", "Bytes of cells that were sent.", self.bytes_served.value());
        page.counter(
            "cells_forgotten_total",
            "Cells that were purged, or forgotten by the mailbox mode.",
            self.cells_forgotten.value(),
        );
        self.commit.show(&mut page);
        page.gauge("accounts", "Accounts.", self.accounts.value());
        page.gauge("entries", "Cells that were ever pushed to the accounts that are there.", self.entries.value());
        page.gauge("database_bytes", "Bytes of the database.", self.database_bytes.value());
        page.gauge("wal_bytes", "Bytes of its write-ahead log.", self.wal_bytes.value());
        page.gauge("disk_free_bytes", "Bytes that are free on its disk.", self.disk_free_bytes.value());
        let storage = self.storage();
        page.gauge(
            "storage_working",
            "1 when the disk takes what it is given, and nothing in the database is damaged.",
            u64::from(storage == Storage::Working),
        );
        page.counter("reloads_total", "Configurations and certificates that were taken over.", self.reloads.value());
        page.counter(
            "reload_failures_total",
            "Configurations and certificates that were not.",
            self.reload_failures.value(),
        );
        page.0
    }
}

impl Histogram {
    fn observe(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        for (step, count) in STEPS.iter().zip(&self.steps) {
            if seconds <= *step {
                count.add(1);
            }
        }
        self.count.add(1);
        self.microseconds.add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    fn show(&self, page: &mut Page) {
        const NAME: &str = "commit_seconds";
        page.head(NAME, "How long transactions took, flush included.", "histogram");
        for (step, count) in STEPS.iter().zip(&self.steps) {
            page.line(&format!("{NAME}_bucket{{le=\"{step}\"}}"), count.value());
        }
        page.line(&format!("{NAME}_bucket{{le=\"+Inf\"}}"), self.count.value());
        page.line(&format!("{NAME}_sum"), self.microseconds.value() as f64 / 1e6);
        page.line(&format!("{NAME}_count"), self.count.value());
    }
}

struct Page(String);

impl Page {
    fn build(&mut self) {
        self.head("build_info", "Which version this is.", "gauge");
        self.line(concat!("build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"}"), 1);
    }

    fn gauge(&mut self, name: &str, help: &str, value: u64) {
        self.head(name, help, "gauge");
        self.line(name, value);
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.head(name, help, "counter");
        self.line(name, value);
    }

    fn labelled(&mut self, name: &str, help: &str, label: &str, values: impl Iterator<Item = (&'static str, u64)>) {
        self.head(name, help, "counter");
        for (which, value) in values {
            self.line(&format!("{name}{{{label}=\"{which}\"}}"), value);
        }
    }

    fn head(&mut self, name: &str, help: &str, kind: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "# HELP caro_relay_{name} {help}\n# TYPE caro_relay_{name} {kind}");
    }

    fn line(&mut self, name: &str, value: impl Display) {
        let _ = writeln!(self.0, "caro_relay_{name} {value}");
    }
}
