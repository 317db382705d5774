//! Messages from a device to a relay.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::list::SignedList;
use crate::id::{CellId, Handle, Hash, Signature};

/// A message from a device. The account is the session's, never a message's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToRelay {
    /// A listed device is back. The handshake proved its key.
    Hello {
        /// The account.
        handle: Handle,
    },
    /// The holder of a new phrase makes the account.
    Create {
        /// The account's public key at this relay (Ed25519); its hash is the handle.
        account: Hash,
        /// The first device list.
        list: SignedList,
        /// An invitation, where the relay asks for one.
        token: Option<String>,
    },
    /// The holder of the phrase comes with a device that is not listed yet.
    Attach {
        /// The account's public key at this relay.
        account: Hash,
        /// Over [`super::ATTACH_DOMAIN`] and the handshake's hash.
        proof: Signature,
    },
    /// A new device list. Version exactly one more.
    SetList {
        /// The list.
        list: SignedList,
    },
    /// Cells to keep, in this order.
    Push {
        /// Sealed cells.
        cells: Vec<ByteBuf>,
    },
    /// Send what comes after this cursor, and go on sending.
    Pull {
        /// The last cursor that this device has, zero for none.
        after: u64,
    },
    /// This device has everything up to this cursor, durably.
    Delivered {
        /// The cursor.
        cursor: u64,
    },
    /// Forget the sealed bytes of these cells. Their ids stay in the chain.
    Purge {
        /// Which.
        cells: Vec<CellId>,
    },
    /// Close the account and forget everything. Needs the account key.
    Close {
        /// The account's public key at this relay.
        account: Hash,
        /// Over [`super::CLOSE_DOMAIN`] and the handshake's hash.
        proof: Signature,
    },
    /// Are you there?
    Ping {
        /// Comes back in the answer.
        token: u64,
    },
    /// A listed device is here for something beside its ordinary session, which goes on: a mailbox, or adding a device.
    Errand {
        /// The account.
        handle: Handle,
    },
    /// Add a device behind the account's list. Only on an errand, and only by a listed device.
    Admit {
        /// SHA-256 of the new device's static key at this relay.
        key: Hash,
    },
    /// Open a mailbox for one newcomer under a number of the device's choosing. Only on an errand. It lives as long as
    /// this session, and no longer than the relay's limit.
    Invite {
        /// From 1 to [`crate::limits::MAILBOX_NUMBER_MAX`].
        number: u16,
    },
    /// A newcomer, known to nobody, comes for the mailbox of this number.
    Claim {
        /// The number.
        number: u16,
    },
    /// Carry this to the other side of the mailbox.
    Mail {
        /// At most [`crate::limits::MAIL_BYTES_MAX`]; sealed, from the second one on.
        letter: ByteBuf,
    },
    /// The newcomer did not know the code: send it away, and wait for another one while tries are left.
    Reject,
}
