//! Which commands leave this device at all. Rules look at a record alone; what a person keeps here by hand is known by
//! its id. Asked wherever a record is about to become an op, so that what stays is in no cell, ever.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    path::Path,
};

use caro_schema::{body::history::Record, id::RecordId, ipc::selecting::Stays, limits::COMMAND_SYNC_BYTES_MAX};
use regex::bytes::RegexSet;

use super::{Account, Device, DeviceError, Env, Rules};
use crate::{
    history::History,
    step::{Notice, Rows, Space, Step, Write},
};

/// What a rule looks at. An empty list says nothing.
#[derive(Clone, Debug, Default)]
pub struct Traits {
    /// The command matches one of these.
    pub commands: RegexSet,
    /// It started in one of these folders, or below it.
    pub directories: Vec<Vec<u8>>,
    /// It ran on one of these hosts.
    pub hosts: Vec<String>,
    /// It ran in one of these runs of a shell.
    pub sessions: Vec<String>,
    /// It was made by one of these: `typed`, `assistant`, or the name of an assistant or its model.
    pub authors: Vec<String>,
}

/// Which commands leave this device.
#[derive(Clone, Debug)]
pub struct Selection {
    /// What one of these rules names stays.
    pub exclude: Traits,
    /// Of each kind that is named here, what is not named stays.
    pub include: Traits,
    /// A longer command stays.
    pub command_bytes: usize,
    /// What a person keeps here.
    pub(super) kept: BTreeSet<RecordId>,
    /// Commands that were withdrawn while they ran, by the ids under which their shells will tell their ends, and what
    /// their ids are now.
    renamed: BTreeMap<RecordId, RecordId>,
}

impl Default for Selection {
    fn default() -> Self {
        Self {
            exclude: Traits::default(),
            include: Traits::default(),
            command_bytes: COMMAND_SYNC_BYTES_MAX,
            kept: BTreeSet::new(),
            renamed: BTreeMap::new(),
        }
    }
}

impl Traits {
    fn has_command(&self, record: &Record) -> bool {
        self.commands.is_match(&record.command)
    }

    fn has_directory(&self, record: &Record) -> bool {
        let directory = Path::new(OsStr::from_bytes(&record.directory));
        self.directories.iter().any(|folder| directory.starts_with(OsStr::from_bytes(folder)))
    }

    fn has_author(&self, record: &Record) -> bool {
        let Some(assistant) = &record.assistant else { return self.authors.iter().any(|name| name == "typed") };
        let is = |name: &String| name == "assistant" || *name == assistant.author || *name == assistant.model;
        self.authors.iter().any(is)
    }

    fn leaves_out(&self, record: &Record) -> bool {
        (!self.commands.is_empty() && !self.has_command(record))
            || (!self.directories.is_empty() && !self.has_directory(record))
            || (!self.hosts.is_empty() && !self.hosts.contains(&record.host))
            || (!self.sessions.is_empty() && !self.sessions.contains(&record.session))
            || (!self.authors.is_empty() && !self.has_author(record))
    }
}

impl Selection {
    /// Why a record stays here, if it does.
    pub fn stays(&self, record: &Record) -> Option<Stays> {
        let Self { exclude, include, command_bytes, kept, renamed: _ } = self;
        if kept.contains(&record.id) {
            Some(Stays::Hand)
        } else if exclude.has_command(record) {
            Some(Stays::Command)
        } else if exclude.has_directory(record) {
            Some(Stays::Directory)
        } else if exclude.hosts.contains(&record.host) {
            Some(Stays::Host)
        } else if exclude.sessions.contains(&record.session) {
            Some(Stays::Session)
        } else if exclude.has_author(record) {
            Some(Stays::Author)
        } else if include.leaves_out(record) {
            Some(Stays::NotIncluded)
        } else {
            (record.command.len() > (*command_bytes).min(COMMAND_SYNC_BYTES_MAX)).then_some(Stays::Size)
        }
    }

    /// The records that are kept here by hand, and those that have other ids than their shells know.
    pub(super) fn load(&mut self, rows: &dyn Rows) -> Result<(), DeviceError> {
        self.kept = rows.rows(Space::Kept)?.iter().filter_map(|(id, _)| RecordId::from_slice(id)).collect();
        let renamed = |(key, id): &(Vec<u8>, Vec<u8>)| {
            Some((RecordId::from_slice(key.strip_prefix(RENAMED)?)?, RecordId::from_slice(id)?))
        };
        self.renamed = rows.rows(Space::State)?.iter().filter_map(renamed).collect();
        Ok(())
    }
}

/// A row of the state for each command that was withdrawn while it ran: which id it has now. No account's, because the
/// command and its shell outlive the membership.
const RENAMED: &[u8] = b"renamed/";

fn renamed_row(shells: &RecordId, now: Option<&RecordId>) -> Write {
    Write::Row(Space::State, [RENAMED, &shells.0].concat(), now.map(|now| now.0.to_vec()))
}

/// What would be sent of the whole history, and what is elsewhere already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preview {
    /// Would go, or have gone.
    pub go: Vec<RecordId>,
    /// Stay, and why.
    pub stay: Vec<(RecordId, Stays)>,
    /// Of those that stay by a rule about what they are, those that were sent before there was the rule.
    pub sent: Vec<RecordId>,
}

impl Device {
    /// Goes by other rules from now on. What was sent stays where it is ([`Self::withdraw`]).
    pub fn set_rules(&mut self, rules: Rules) {
        let kept = std::mem::take(&mut self.rules.selection.kept);
        let renamed = std::mem::take(&mut self.rules.selection.renamed);
        self.rules = rules;
        self.rules.selection.kept = kept;
        self.rules.selection.renamed = renamed;
    }

    /// What goes and what stays, the newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn preview(&self, history: &History, rows: &dyn Rows, now_ms: u64) -> Result<Preview, DeviceError> {
        let carried = self.carried(rows)?;
        let waiting = self.account.as_ref().map(Account::waiting);
        let since_us = self.rules.since_us(now_ms).unwrap_or(i64::MIN);
        let most = self.rules.window_count.map_or(usize::MAX, |count| usize::try_from(count).unwrap_or(usize::MAX));
        let mut preview = Preview::default();
        for record in history.newest() {
            let is_sent = carried.contains(&record.id);
            let by_rule = self.rules.selection.stays(&record);
            let stays = by_rule.or(match record.start_us < since_us {
                _ if is_sent => None,
                true => Some(Stays::Age),
                false => match &waiting {
                    // In no account yet: so many go when one is joined.
                    None => (preview.go.len() >= most).then_some(Stays::Count),
                    Some(waiting) => (!waiting.has(&record.id)).then_some(Stays::Unsent),
                },
            });
            match stays {
                None => preview.go.push(record.id),
                Some(why) => {
                    preview.stay.push((record.id, why));
                    preview.sent.extend(is_sent.then_some(record.id));
                }
            }
        }
        Ok(preview)
    }

    /// Every record that is in an op: with the relays, or on its way.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn carried(&self, rows: &dyn Rows) -> Result<BTreeSet<RecordId>, DeviceError> {
        self.account.as_ref().map_or_else(|| Ok(BTreeSet::new()), |account| account.carried(rows))
    }

    /// Deletes records on every other device and at the relays, and keeps them here. Here they go on under new ids, as the
    /// old ones are deleted for ever. With `by_hand` they stay here whatever the rules say.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn withdraw(
        &mut self,
        ids: &[RecordId],
        by_hand: bool,
        history: &mut History,
        env: &mut Env<'_>,
    ) -> Result<Step, DeviceError> {
        let records: Vec<Record> = ids.iter().filter_map(|id| history.record(id)).collect();
        let old: Vec<RecordId> = records.iter().map(|record| record.id).collect();
        let mut step = Step { notices: vec![Notice::History], ..Step::default() };
        let (mut renamed, mut running) = (Vec::with_capacity(records.len()), Vec::new());
        for record in records {
            let mut id = [0; RecordId::LEN];
            env.entropy.fill(&mut id)?;
            if !record.has_ended() {
                running.push((record.id, RecordId(id)));
            }
            renamed.push(Record { id: RecordId(id), ..record });
        }
        let new: Vec<RecordId> = renamed.iter().map(|record| record.id).collect();
        history.delete(&old);
        history.put(renamed);
        step.writes.extend(history.take_writes());
        step.writes.extend(self.note_renamed(&running, history));
        if let Some(account) = &mut self.account {
            step.extend(account.delete(&old, env)?);
        }
        let kept = old.iter().filter(|id| self.rules.selection.kept.remove(id));
        step.writes.extend(kept.map(|id| Write::Row(Space::Kept, id.0.to_vec(), None)));
        if by_hand {
            step.writes.extend(self.keep(&new));
        }
        Ok(step)
    }

    /// Remembers which ids commands have now that still run.
    fn note_renamed(&mut self, running: &[(RecordId, RecordId)], history: &History) -> Vec<Write> {
        if running.is_empty() {
            return Vec::new();
        }
        let renamed = &mut self.rules.selection.renamed;
        let mut writes = Vec::new();
        for (old, new) in running {
            // One that is withdrawn again is known to its shell by the id that it had first.
            let first = renamed.iter().find(|(_, now)| *now == old).map_or(*old, |(first, _)| *first);
            renamed.insert(first, *new);
            writes.push(renamed_row(&first, Some(new)));
        }
        // Some never end, because their shell was killed. What is not here any more is not waited for.
        if history.is_complete() {
            let trash = &self.trash;
            renamed.retain(|shells, now| {
                let waits = history.contains(now) || trash.holds(now);
                if !waits {
                    writes.push(renamed_row(shells, None));
                }
                waits
            });
        }
        writes
    }

    /// The id that a record has here, of the one under which its shell knows it.
    pub(super) fn known_as(&self, shells: &RecordId) -> RecordId {
        self.rules.selection.renamed.get(shells).copied().unwrap_or(*shells)
    }

    /// A command has ended that had another id than its shell knew.
    pub(super) fn forget_renamed(&mut self, shells: &RecordId) -> Option<Write> {
        self.rules.selection.renamed.remove(shells).map(|_| renamed_row(shells, None))
    }

    /// Keeps records on this device alone. What was sent of them is withdrawn.
    ///
    /// # Errors
    /// When the store cannot be read, or there is no randomness.
    pub fn keep_here(
        &mut self,
        ids: &[RecordId],
        history: &mut History,
        rows: &dyn Rows,
        env: &mut Env<'_>,
    ) -> Result<Step, DeviceError> {
        let carried = self.carried(rows)?;
        let (sent, unsent): (Vec<RecordId>, Vec<RecordId>) =
            ids.iter().filter(|id| history.contains(id)).partition(|id| carried.contains(id));
        let mut step = Step { writes: self.keep(&unsent), ..Step::default() };
        if let Some(account) = &mut self.account {
            step.writes.extend(account.send_no_more(&unsent));
        }
        step.extend(self.withdraw(&sent, true, history, env)?);
        Ok(step)
    }

    fn keep(&mut self, ids: &[RecordId]) -> Vec<Write> {
        self.rules.selection.kept.extend(ids);
        ids.iter().map(|id| Write::Row(Space::Kept, id.0.to_vec(), Some(Vec::new()))).collect()
    }

    /// Keeps records here no longer: they are sent, if no rule keeps them, also those that a rule or a window kept here
    /// before. Gives how many are kept no longer, or sent.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn share(
        &mut self,
        ids: &[RecordId],
        history: &History,
        rows: &dyn Rows,
        now_ms: u64,
    ) -> Result<(Step, u64), DeviceError> {
        let carried = self.carried(rows)?;
        let mut step = Step { notices: vec![Notice::Sync], ..Step::default() };
        let kept = &mut self.rules.selection.kept;
        let freed: BTreeSet<RecordId> = ids.iter().copied().filter(|id| kept.remove(id)).collect();
        step.writes.extend(freed.iter().map(|id| Write::Row(Space::Kept, id.0.to_vec(), None)));
        let Some(account) = &mut self.account else { return Ok((step, freed.len() as u64)) };
        let waiting = account.waiting();
        let since_us = self.rules.since_us(now_ms).unwrap_or(i64::MIN);
        let goes = |record: &Record| record.start_us >= since_us && self.rules.selection.stays(record).is_none();
        let is_unsent = |id: &RecordId| !carried.contains(id) && !waiting.has(id);
        let unsent: Vec<RecordId> = ids.iter().copied().filter(is_unsent).collect();
        let unsent: Vec<RecordId> =
            unsent.into_iter().filter(|id| history.record(id).as_ref().is_some_and(goes)).collect();
        let late = unsent.iter().filter(|id| !freed.contains(id)).count() as u64;
        step.writes.extend(account.upload_later(unsent));
        step.writes.extend(account.note_inside_window(late));
        Ok((step, freed.len() as u64 + late))
    }
}

impl Account {
    /// Makes no op of these any more.
    pub(super) fn send_no_more(&mut self, ids: &[RecordId]) -> Vec<Write> {
        let known = ids.iter().filter(|id| self.pending.remove(id).is_some());
        known.map(|id| Write::Row(Space::State, super::state::pending_key(id), None)).collect()
    }
}
