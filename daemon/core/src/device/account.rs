//! A device's membership in an account: its keys, its log, the other members, and the one place that makes, signs, seals
//! and queues an op. Its relays: `relays.rs`; what it takes in: `receive.rs`.

use std::collections::{BTreeMap, BTreeSet};

use caro_link::proof;
use caro_schema::{
    body::{self, device::Name},
    cell::CellClass,
    codec,
    id::{CellId, Dataset, DeviceId, Hash, OpId, RecordId},
    op::{Body, Payload, RawChange, SignedOp, kind},
    redacted::Redacted,
};
use serde::{Deserialize, Serialize};

use super::{
    DeviceError, Env, Joined, Rules,
    attest::{Attested, Evidence},
    backfill::Backfill,
    carriers::Place,
    counting::Unsaid,
    erase::Erasing,
    members::Members,
    missed::{Again, Missing},
    news::News,
    receive::class_of,
    record::Pending,
    refill::Offer,
    relays::drop_queue,
    reseal::Resealing,
    snapshots::Snapshots,
    state,
};
use crate::{
    history::History,
    oplog::{OpLog, Stored, Vector, Waiting, row_key},
    shared::Shared,
    step::{Notice, RemoteNumber, Rows, Space, Step, Write},
    sync::Remote,
    vault::{Vault, payload, seal::seal},
};

/// A device's membership in an account.
pub struct Account {
    pub(super) vault: Vault,
    pub(super) log: OpLog,
    pub(super) members: Members,
    pub(super) profile: Profile,
    pub(super) waiting: Waiting,
    pub(super) pending: BTreeMap<RecordId, Pending>,
    pub(super) backfill: Option<Backfill>,
    pub(super) offers: BTreeMap<RemoteNumber, Offer>,
    pub(super) remotes: BTreeMap<RemoteNumber, Remote>,
    /// Things refused since the start: bad signatures, unknown classes, and the like.
    pub(super) refused: u64,
    /// Records that stay here because of their size.
    pub(super) kept_here: u64,
    /// Who joined and who was taken off since a person last looked.
    pub(super) news: Vec<News>,
    /// What the relays hold is being sealed anew.
    pub(super) resealing: Option<Resealing>,
    /// A change of a kind that this version does not know has been seen.
    pub(super) upgrade_due: bool,
    /// Relays that began a new life since the start.
    pub(super) restored: BTreeSet<RemoteNumber>,
    /// By how much the most advanced clock of another device was ahead of this one's, when that is too much.
    pub(super) clock_ahead_ms: u64,
    /// Settings, items and counts.
    pub(super) shared: Shared,
    /// What this device counted and has not said to the others.
    pub(super) unsaid: Unsaid,
    /// What is known of snapshots, its own and others'.
    pub(super) snapshots: Snapshots,
    /// The last own op that was compacted, or is not worth it.
    pub(super) compacted: u64,
    /// What this device said last of what it has seen.
    pub(super) attested: Attested,
    /// Proofs that a relay showed two logs, found since the start.
    pub(super) evidence: Vec<Evidence>,
    /// Relays of whose logs something found no room since they were last read from the beginning.
    pub(super) left_behind: BTreeSet<RemoteNumber>,
    /// How many ops were known when a log was last read from the beginning for that.
    pub(super) read_again_at: BTreeMap<RemoteNumber, u64>,
    /// When each remote is sent what others wrote and it was not seen to have, in milliseconds since 1970.
    pub(super) forwards: BTreeMap<RemoteNumber, u64>,
    /// Looking for what carries deleted records, while there is need to.
    pub(super) erasing: Option<Erasing>,
    /// Something is missing although everything was read.
    pub(super) missing: Option<Missing>,
    /// Ops of others since the start that say more than what somebody has seen.
    pub(super) came: u64,
    /// What others miss and is here.
    pub(super) again: Again,
    /// What other devices deleted, as the last messages said.
    pub(super) deleted_elsewhere: BTreeSet<RecordId>,
    /// Ops that a remote was seen to have emptied, since the last looking.
    pub(super) emptied: BTreeMap<(RemoteNumber, Place), CellId>,
}

/// What a person decided about this device's membership.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Profile {
    pub(super) name: Redacted<String>,
    pub(super) platform: String,
    pub(super) enabled: bool,
    /// Another copy of this device writes: the home was cloned, or an old backup of it was put back.
    #[serde(default)]
    pub(super) cloned: bool,
    /// Commands that are not uploaded, being older than the window or too many for it.
    #[serde(default)]
    pub(super) outside_window: u64,
}

impl Account {
    /// The account as it was left, or none.
    pub(super) fn load(rows: &dyn Rows) -> Result<Option<Self>, DeviceError> {
        let Some(bytes) = rows.row(Space::State, state::VAULT)? else { return Ok(None) };
        let vault = Vault::decode(&bytes).map_err(|_| DeviceError::State("vault"))?;
        let mut account = Self {
            log: state::required(rows, state::LOG, "log")?,
            members: state::required(rows, state::MEMBERS, "member list")?,
            compacted: state::optional(rows, state::COMPACTED, "log")?.unwrap_or_default(),
            attested: state::optional(rows, state::ATTESTED, "log")?.unwrap_or_default(),
            evidence: state::optional(rows, state::EVIDENCE, "evidence")?.unwrap_or_default(),
            ..Self::new(vault, state::required(rows, state::PROFILE, "profile")?)
        };
        account.shared = Shared::load(rows.rows(Space::Shared)?);
        if rows.row(Space::State, state::UNSAID)?.is_some() {
            account.load_unsaid();
        }
        let state_rows = rows.rows(Space::State)?;
        account.snapshots = Snapshots::load(&state_rows)?;
        account.backfill = Backfill::load(&state_rows);
        for (key, value) in &state_rows {
            if let Some(number) = state::remote_number(key) {
                let record = codec::decode(value).map_err(|_| DeviceError::State("relay"))?;
                let remote = Remote::load(number, record, rows)?;
                if remote.record.comparing {
                    account.begin_offering_again(number);
                }
                account.remotes.insert(number, remote);
            } else if let Some(id) = state::pending_id(key) {
                account.pending.insert(id, Pending::at_once());
            }
        }
        for (number, after) in state_rows.iter().filter_map(|(key, _)| state::purge_of(key)) {
            if let Some(remote) = account.remotes.get_mut(&number) {
                remote.load_purge(after);
            }
        }
        if account.remotes.len() > 1 {
            account.forwards = account.remotes.keys().map(|number| (*number, 0)).collect();
        }
        account.load_erasing(rows)?;
        account.load_news(rows)?;
        account.load_resealing(rows)?;
        account.load_waiting(rows)?;
        Ok(Some(account))
    }

    /// With nothing in it, and nothing to upload.
    fn new(vault: Vault, profile: Profile) -> Self {
        Self {
            log: OpLog::new(vault.dataset(), vault.device_id()),
            vault,
            members: Members::default(),
            profile,
            waiting: Waiting::default(),
            pending: BTreeMap::new(),
            backfill: None,
            offers: BTreeMap::new(),
            remotes: BTreeMap::new(),
            refused: 0,
            kept_here: 0,
            news: Vec::new(),
            resealing: None,
            upgrade_due: false,
            restored: BTreeSet::new(),
            clock_ahead_ms: 0,
            shared: Shared::default(),
            unsaid: Unsaid::default(),
            snapshots: Snapshots::default(),
            compacted: 0,
            attested: Attested::default(),
            evidence: Vec::new(),
            left_behind: BTreeSet::new(),
            read_again_at: BTreeMap::new(),
            forwards: BTreeMap::new(),
            erasing: None,
            missing: None,
            came: 0,
            again: Again::new(),
            deleted_elsewhere: BTreeSet::new(),
            emptied: BTreeMap::new(),
        }
    }

    /// Becomes a member: keeps the keys, tells the others, and begins to upload what is here.
    pub(super) fn adopt(
        joined: Joined,
        before: Shared,
        history: &History,
        rules: &Rules,
        env: &mut Env<'_>,
    ) -> Result<(Self, Step), DeviceError> {
        let Joined { vault, remote, admission, name, platform } = joined;
        let backfill = Backfill::new(history, rules, env.now_ms);
        let outside_window = (history.len() as u64).saturating_sub(backfill.len());
        let profile = Profile { name: Redacted::new(name), platform, enabled: true, cloned: false, outside_window };
        let backfill_rows = backfill.rows();
        let mut account = Self { backfill: Some(backfill), ..Self::new(vault, profile) };
        let mut step = Step::default();
        account.add_remote(1, remote);
        account.note_own_admission(&admission);
        step.writes.push(Write::Row(Space::State, state::VAULT.to_vec(), Some(account.vault.encode().to_vec())));
        step.writes.push(account.row(state::PROFILE, state::encode(&account.profile)));
        step.writes.extend(backfill_rows);
        step.writes.extend(account.entry_writes(&admission, env)?);
        step.extend(account.say_again(before, env)?);
        step.extend(account.say_name(env)?);
        // What was deleted here is deleted everywhere, although the others may never have had it.
        let deleted: Vec<RecordId> = history.deleted().copied().collect();
        if !deleted.is_empty() {
            step.extend(account.delete(&deleted, env)?);
        }
        let record = account.remotes[&1].record.clone();
        step.writes.push(account.row(&state::remote_key(1), state::encode(&record)));
        step.notices.push(Notice::Sync);
        Ok((account, step))
    }

    pub(super) fn leave(&self, rows: &dyn Rows) -> Result<Step, DeviceError> {
        let mut step = Step { notices: vec![Notice::Sync], ..Step::default() };
        for space in [Space::Op, Space::Part, Space::Fork, Space::Quarantine, Space::State] {
            let belongs = |key: &[u8]| space != Space::State || state::is_of_account(key);
            let rows = rows.rows(space)?.into_iter().filter(|(key, _)| belongs(key));
            step.writes.extend(rows.map(|(key, _)| Write::Row(space, key, None)));
        }
        for number in self.remotes.keys() {
            step.writes.extend(drop_queue(*number, rows)?);
        }
        Ok(step)
    }

    /// Whether another copy of this device was seen to write, and nobody has decided what to do about it.
    pub fn is_cloned(&self) -> bool {
        self.profile.cloned
    }

    pub(super) fn set_enabled(&mut self, enabled: bool) -> Step {
        self.profile.enabled = enabled;
        // Switching on is how a person says that it is understood.
        self.profile.cloned &= !enabled;
        for remote in self.remotes.values_mut() {
            if enabled {
                remote.resume();
            } else {
                remote.disconnected();
            }
        }
        let mut writes = vec![self.row(state::PROFILE, state::encode(&self.profile))];
        writes.extend(self.remotes.keys().filter_map(|number| self.remote_row(*number)));
        let mut step = Step { writes, notices: vec![Notice::Sync], ..Step::default() };
        // What the key log says is not for a person to switch on again.
        step.extend(self.stop_if_out());
        step
    }

    pub(super) fn rename(&mut self, name: String, env: &mut Env<'_>) -> Result<Step, DeviceError> {
        self.profile.name = Redacted::new(name);
        let mut step = self.say_name(env)?;
        step.writes.push(self.row(state::PROFILE, state::encode(&self.profile)));
        // Or the new name waits for whatever is sent next.
        step.notices.push(Notice::Sync);
        Ok(step)
    }

    fn say_name(&mut self, env: &mut Env<'_>) -> Result<Step, DeviceError> {
        let name = Name { name: self.profile.name.reveal().clone(), platform: self.profile.platform.clone() };
        let keys = self.relay_keys();
        let changes = vec![self.change(body::kind::DEVICE_NAME, &name), self.change(body::kind::RELAY_KEYS, &keys)];
        let mut step = Step::default();
        step.writes.extend(self.append(changes, env)?);
        let own = self.vault.device_id();
        self.members.note_name(&own, self.log.clock(), name);
        self.members.note_relay_keys(&own, &keys);
        step.writes.push(self.row(state::MEMBERS, state::encode(&self.members)));
        Ok(step)
    }

    /// Makes one op of these changes and queues it for every remote. The log's row is among the writes.
    pub(super) fn append(&mut self, changes: Vec<RawChange>, env: &mut Env<'_>) -> Result<Vec<Write>, DeviceError> {
        let packed = payload::pack(&Payload { changes });
        self.append_packed(kind::CHANGES, packed, env)
    }

    /// As [`Self::append`], for a payload that was packed already, of whatever kind.
    pub(super) fn append_packed(
        &mut self,
        op_kind: u8,
        packed: Vec<u8>,
        env: &mut Env<'_>,
    ) -> Result<Vec<Write>, DeviceError> {
        let mut salt = [0; 32];
        env.entropy.fill(&mut salt)?;
        let commit = proof::payload_commit(&salt, &packed);
        let header = self.log.next_header(op_kind, commit, env.now_ms);
        let header_bytes = header.encode();
        let id = proof::op_id(&header_bytes);
        let signature = proof::sign_op(self.vault.signer(), &header_bytes);
        let op = SignedOp { header_bytes, signature, body: Some(Body { salt, payload: packed }) }.encode();
        let cell = self.seal(class_of(op_kind), &op, &id, env)?;
        self.log.advance(&header, id);
        self.members.note_seen(&header.author, header.stamp);
        let stored = Stored::new(proof::cell_id(&cell), op).encode();
        let mut writes = vec![Write::Row(Space::Op, row_key(&header.author, header.seq), Some(stored))];
        writes.extend(self.enqueue_everywhere(&cell));
        writes.push(self.row(state::LOG, state::encode(&self.log)));
        Ok(writes)
    }

    /// Seals for the account. Own ops are made to fit; one that does not is a mistake of this program.
    pub(super) fn seal(
        &self,
        class: CellClass,
        plain: &[u8],
        id: &OpId,
        env: &mut Env<'_>,
    ) -> Result<Vec<u8>, DeviceError> {
        let mut random = [0; 32];
        env.entropy.fill(&mut random)?;
        let sealed = match class {
            CellClass::KeyLog => seal(self.vault.keys().key_log(), &self.vault.dataset(), class, plain, &id.0, &random),
            _ => seal(self.vault.keys().current(), &self.vault.dataset(), class, plain, &id.0, &random),
        };
        sealed.map_err(|_| DeviceError::State("size of an op"))
    }

    pub(super) fn enqueue_everywhere(&mut self, cell: &[u8]) -> Vec<Write> {
        self.remotes
            .values_mut()
            .map(|remote| Write::Queue(remote.number, remote.enqueue(), Some(cell.to_vec())))
            .collect()
    }

    /// Keeps an own key-log entry and queues it.
    pub(super) fn entry_writes(
        &mut self,
        signed: &caro_schema::keylog::SignedEntry,
        env: &mut Env<'_>,
    ) -> Result<Vec<Write>, DeviceError> {
        let hash = proof::entry_hash(&signed.entry);
        let bytes = codec::encode(signed);
        let cell = self.seal(CellClass::KeyLog, &bytes, &OpId(hash.0), env)?;
        let mut writes = vec![self.row(&state::entry_key(&hash), bytes)];
        writes.extend(self.enqueue_everywhere(&cell));
        for remote in self.remotes.values_mut() {
            remote.record.has_entries.insert(hash);
        }
        writes.push(self.row(state::MEMBERS, state::encode(&self.members)));
        Ok(writes)
    }

    pub(super) fn row(&self, key: &[u8], value: Vec<u8>) -> Write {
        Write::Row(Space::State, key.to_vec(), Some(value))
    }

    /// Proofs that a relay showed two devices two logs.
    pub fn evidence(&self) -> &[Evidence] {
        &self.evidence
    }

    /// Whether the network may be used.
    pub fn is_enabled(&self) -> bool {
        self.profile.enabled
    }

    /// The account, as its devices know it.
    pub fn dataset(&self) -> Dataset {
        self.vault.dataset()
    }

    /// This device.
    pub fn device_id(&self) -> DeviceId {
        self.vault.device_id()
    }

    /// What it has of every author.
    pub fn vector(&self) -> &Vector {
        self.log.vector()
    }

    /// The keys, for opening a session.
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// When everything that now waits to be made into ops has been, in milliseconds since 1970; none while older history
    /// is uploaded.
    pub fn sealed_at_ms(&self) -> Option<u64> {
        let due = self.pending.values().map(Pending::due_ms).max().unwrap_or(0);
        self.backfill.is_none().then_some(due)
    }

    /// Whether nothing waits any more that was to be made into an op by then.
    pub fn is_sealed_up_to(&self, at_ms: u64) -> bool {
        self.backfill.is_none() && self.pending.values().all(|pending| pending.due_ms() > at_ms)
    }
}

/// The ids of a batch of cells, for looking one up while its batch is worked on.
pub(super) fn with_ids(cells: Vec<Vec<u8>>) -> impl DoubleEndedIterator<Item = (CellId, Vec<u8>)> {
    cells.into_iter().map(|cell| (proof::cell_id(&cell), cell))
}

/// A hash that names an op-like thing in the nonce's derivation.
pub(super) fn as_op_id(hash: Hash) -> OpId {
    OpId(hash.0)
}
