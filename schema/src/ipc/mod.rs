//! What `caro` and `caro-daemon` say to each other over the local socket: frames ([`crate::frame`]) of named maps.
//!
//! The first frame each way is a [`Hello`]. Then each request has an id of the client's choosing, which its answer
//! carries; answers may come in another order. Errors are [`Fault`]s: codes with fields, and words only at the edge.

pub mod deleting;
pub mod fault;
pub mod history;
pub mod inspecting;
pub mod items;
pub mod pair;
pub mod selecting;
pub mod stats;
pub mod status;
pub mod sync;
pub mod terms;

pub use fault::Fault;
use serde::{Deserialize, Serialize};

use self::{
    deleting::{Aside, Discard, Discarded, Weight},
    history::{Details, Hit, Hits, Import, Imported, Query, Selection, Window},
    inspecting::{Inspect, Inspected},
    items::{CountOf, Counts, Items, ItemsChange, ItemsChanged, ItemsQuery},
    pair::{JoinRequest, Pairing},
    selecting::Preview,
    stats::{Stats, StatsQuery},
    status::{DaemonStatus, Doctor, Recording, Reloaded},
    sync::{
        Begun, Device, InitRequest, MoveRequest, RemoteAdd, RemoteEmptied, RemoteEmpty, RestoreRequest, RevokeRequest,
        RotateRequest, SyncStatus,
    },
};
use crate::{
    id::{DeviceId, RecordId},
    redacted::Redacted,
};

/// The first frame in both directions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`crate::version::IPC`].
    pub protocol: u32,
    /// Package version and build, to notice an upgrade.
    pub build: String,
}

/// A request with the client's number for it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Call {
    /// Comes back in the answer.
    pub id: u64,
    /// What is asked.
    pub request: Request,
}

/// An answer with the request's number.
#[derive(Debug, Serialize, Deserialize)]
pub struct Answer {
    /// From the call.
    pub id: u64,
    /// What was asked for, or why not.
    pub reply: Result<Reply, Fault>,
}

/// What a client may ask.
#[derive(Debug, Serialize, Deserialize)]
pub enum Request {
    /// A window of the records that match, with the total. Answered by [`Reply::Hits`].
    Search {
        /// What to look for.
        query: Box<Query>,
        /// Which part of the answer.
        window: Window,
    },
    /// All about the command of a record. Answered by [`Reply::Details`].
    Details {
        /// One of its runs.
        id: RecordId,
    },
    /// The records around one in its session, the oldest first, itself among them. Answered by [`Reply::Records`].
    Around {
        /// Which.
        id: RecordId,
        /// How many before it, at most [`history::AROUND_MAX`].
        before: u32,
        /// How many after it, at most the same.
        after: u32,
    },
    /// Take in what is in the spool now, then answer [`Reply::Done`]. For scripts that look right after a command.
    Flush,
    /// Delete records. Answered by [`Reply::Count`].
    Delete {
        /// Which.
        selection: Selection,
        /// Only count.
        dry_run: bool,
    },
    /// What a deletion would take. Answered by [`Reply::Weight`].
    Weigh {
        /// Which.
        selection: Selection,
    },
    /// Delete commands in such a way that it can be taken back for a moment. Answered by [`Reply::Discarded`].
    Discard(Box<Discard>),
    /// Take a deletion back. Answered by [`Reply::Count`], with nothing when it is too late.
    TakeBack {
        /// Its number.
        number: u64,
    },
    /// What can be taken back, the newest first. Answered by [`Reply::Aside`].
    Aside,
    /// What goes to other devices and what stays here. Answered by [`Reply::Preview`].
    SyncPreview {
        /// How many commands of each group to show.
        samples: u32,
    },
    /// Keep commands on this device alone; what was sent of them is withdrawn. Answered by [`Reply::Count`].
    SyncKeepHere {
        /// Which.
        selection: Selection,
    },
    /// Keep commands here no longer. Answered by [`Reply::Count`].
    SyncShare {
        /// Which.
        selection: Selection,
    },
    /// End the account at relays, with everything that they hold of it. Answered by [`Reply::Emptied`].
    SyncEmpty(RemoteEmpty),
    /// Withdraw what was sent before there was the rule by which it stays. Answered by [`Reply::Count`].
    SyncWithdraw,
    /// Take in a batch of foreign history. Answered by [`Reply::Imported`].
    Import(Import),
    /// How the daemon is. Answered by [`Reply::Daemon`].
    DaemonStatus,
    /// Check everything that commonly goes wrong. Answered by [`Reply::Doctor`].
    Doctor {
        /// Also prove the whole database.
        verify: bool,
    },
    /// Figures about history. Answered by [`Reply::Stats`].
    Stats(Box<StatsQuery>),
    /// Settings and items that have a value. Answered by [`Reply::Items`].
    Items(ItemsQuery),
    /// Give settings and items other values. Answered by [`Reply::ItemsChanged`].
    ItemsChange(ItemsChange),
    /// How often each device has counted what. Answered by [`Reply::Counts`].
    Counts,
    /// Take in what devices have counted, as an export has it. Answered by [`Reply::Count`]: how many were news.
    CountsTake(Vec<CountOf>),
    /// Record nothing from now on. Answered by [`Reply::Recording`].
    Pause {
        /// In this run of a shell; none for everything on this machine.
        session: Option<String>,
        /// Until when, in microseconds since 1970; none until [`Request::Resume`].
        until_us: Option<i64>,
    },
    /// Record again. Answered by [`Reply::Recording`].
    Resume {
        /// In this run of a shell; none for everything, all sessions included.
        session: Option<String>,
    },
    /// Read the configuration again. Answered by [`Reply::Reloaded`].
    Reload,
    /// Finish what is under way and end. Answered by [`Reply::Done`].
    Stop,
    /// How syncing is. Answered by [`Reply::Sync`].
    SyncStatus,
    /// Make an account: a new phrase, shown and not kept. Answered by [`Reply::Begun`]. Nothing is written yet.
    SyncInit(InitRequest),
    /// The person has written the phrase down: make the account for real. Answered by [`Reply::Sync`].
    SyncConfirm,
    /// The relay lets in who is invited: confirm with this invitation from now on. Answered by [`Reply::Done`].
    SyncInvitation(Redacted<String>),
    /// Forget a phrase that was shown and not confirmed. Answered by [`Reply::Done`].
    SyncAbandon,
    /// Join an account with its phrase. Answered by [`Reply::Sync`].
    SyncRestore(RestoreRequest),
    /// Push and pull now, and answer when it is done. Answered by [`Reply::Sync`].
    SyncNow {
        /// How long to wait.
        wait_ms: u64,
    },
    /// No network from now on. Answered by [`Reply::Sync`].
    SyncOff,
    /// Network again. Answered by [`Reply::Sync`].
    SyncOn,
    /// Use one more relay. Answered by [`Reply::Sync`].
    SyncRemoteAdd(RemoteAdd),
    /// Use a relay no longer. Answered by [`Reply::Sync`].
    SyncRemoteRemove {
        /// Its address, as the status has it.
        address: String,
    },
    /// The account's devices. Answered by [`Reply::Devices`].
    SyncDevices,
    /// Let another device in by a code. Answered by [`Reply::Pairing`].
    PairInvite,
    /// Join by a code. Answered by [`Reply::Pairing`].
    PairJoin(JoinRequest),
    /// How that stands. Answered by [`Reply::Pairing`].
    PairState,
    /// The person has compared the words. Answered by [`Reply::Pairing`].
    PairAnswer {
        /// Whether they are the same on both screens.
        same: bool,
    },
    /// No more of it, here and on the relay. Answered by [`Reply::Done`].
    PairCancel,
    /// The person has seen who joined and need not be told again. Answered by [`Reply::Done`].
    SyncSeen,
    /// Whether an account can be made, joined or widened from here as far as that is known without a relay and a phrase:
    /// nobody should type a phrase in vain. Answered by [`Reply::Done`].
    SyncCheck {
        /// The relay's address.
        relay: String,
        /// Whether this device is to come into an account; otherwise it must be in one.
        joins: bool,
    },
    /// Call a device something. Answered by [`Reply::Done`].
    SyncRename {
        /// What this device is called from now on.
        name: String,
    },
    /// Call another device of the account something. Answered by [`Reply::Done`].
    SyncRenameDevice {
        /// Which.
        device: DeviceId,
        /// What it is called from now on.
        name: String,
    },
    /// Take devices off the account. Answered by [`Reply::Sync`] once it is decided and on its way to the relays.
    SyncRevoke(RevokeRequest),
    /// Make a new phrase to move to. Answered by [`Reply::Begun`]. Nothing is done yet: [`Request::SyncConfirm`] moves.
    SyncMove(MoveRequest),
    /// Seal under a new key from now on. Answered by [`Reply::Sync`], as [`Request::SyncRevoke`].
    SyncRotate(RotateRequest),
    /// What a relay knows of this account. Answered by [`Reply::Inspected`].
    SyncInspect(Inspect),
}

/// What a daemon may answer.
#[derive(Debug, Serialize, Deserialize)]
pub enum Reply {
    /// It was done.
    Done,
    /// How a joining by code stands.
    Pairing(Pairing),
    /// So many.
    Count(u64),
    /// What a deletion would take.
    Weight(Weight),
    /// What was deleted.
    Discarded(Discarded),
    /// What can be taken back.
    Aside(Vec<Aside>),
    /// What goes and what stays.
    Preview(Box<Preview>),
    /// What became of the account at each relay.
    Emptied(Vec<RemoteEmptied>),
    /// A window of results.
    Hits(Hits),
    /// Single records.
    Records(Vec<Hit>),
    /// All about a command.
    Details(Box<Details>),
    /// What an import batch did.
    Imported(Imported),
    /// How the daemon is.
    Daemon(DaemonStatus),
    /// What was checked.
    Doctor(Doctor),
    /// Figures about history.
    Stats(Box<Stats>),
    /// Settings and items.
    Items(Items),
    /// What became of a change of settings and items.
    ItemsChanged(ItemsChanged),
    /// What devices have counted.
    Counts(Counts),
    /// Whether commands are recorded.
    Recording(Recording),
    /// What became of reading the configuration again.
    Reloaded(Reloaded),
    /// How syncing is.
    Sync(SyncStatus),
    /// A phrase to be shown once.
    Begun(Begun),
    /// The account's devices.
    Devices(Vec<Device>),
    /// What a relay knows.
    Inspected(Box<Inspected>),
}
