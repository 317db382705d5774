//! Somebody else's account, and everything that can be asked with what is known of it.

use caro_link::{identity::Signer, proof};
use caro_schema::{
    id::{CellId, Hash},
    relay::{
        ToRelay,
        list::{DeviceList, SignedList},
    },
};
use serde_bytes::ByteBuf;

use crate::support::{Account, Device, cell};

/// Somebody else: an account with devices, cells and an open mailbox, or what has the shape of one and is nowhere.
pub(super) struct Other {
    pub(super) account: Account,
    pub(super) device: Device,
    pub(super) list: SignedList,
    pub(super) cells: Vec<ByteBuf>,
    mailbox: u16,
}

impl Other {
    pub(super) fn new(mailbox: u16) -> Self {
        let (account, device) = (Account::new(), Device::new());
        let list = account.first_list(&[device]);
        Self { account, device, list, cells: (0..3).map(|_| cell(1024)).collect(), mailbox }
    }

    pub(super) fn cell_ids(&self) -> Vec<CellId> {
        self.cells.iter().map(|cell| proof::cell_id(cell)).collect()
    }

    /// Everything that can be asked with what is known of it. Whoever asks has seen its ids, lists and sealed cells, and has
    /// none of its keys: what it must sign is signed with `forger`'s.
    pub(super) fn requests(&self, forger: &Signer, handshake: &Hash) -> Vec<ToRelay> {
        let account = self.account.public();
        let devices =
            DeviceList { version: 2, prev: proof::list_hash_with_added(&self.list), keys: vec![self.device.hash()] };
        let last = self.cells.len() as u64;
        vec![
            ToRelay::Hello { handle: self.account.handle() },
            ToRelay::Create { account, list: proof::sign_list(forger, &devices), token: None },
            ToRelay::Attach { account, proof: proof::sign_attach(forger, handshake) },
            ToRelay::SetList { list: self.list.clone() },
            ToRelay::SetList { list: proof::sign_list(&self.account.signer, &devices) },
            ToRelay::Push { cells: self.cells.clone() },
            ToRelay::Pull { after: 0 },
            ToRelay::Pull { after: last },
            ToRelay::Delivered { cursor: last },
            ToRelay::Purge { cells: self.cell_ids() },
            ToRelay::Close { account, proof: proof::sign_close(forger, handshake) },
            ToRelay::Ping { token: 7 },
            ToRelay::Errand { handle: self.account.handle() },
            ToRelay::Admit { key: self.device.hash() },
            ToRelay::Invite { number: self.mailbox },
            ToRelay::Claim { number: self.mailbox },
            ToRelay::Mail { letter: self.cells[0].clone() },
            ToRelay::Reject,
        ]
    }
}

/// The number of a request's kind. A new kind does not compile until it is here, and [`Other::requests`] lacks it until then.
pub(super) fn kind(message: &ToRelay) -> usize {
    match message {
        ToRelay::Hello { .. } => 0,
        ToRelay::Create { .. } => 1,
        ToRelay::Attach { .. } => 2,
        ToRelay::SetList { .. } => 3,
        ToRelay::Push { .. } => 4,
        ToRelay::Pull { .. } => 5,
        ToRelay::Delivered { .. } => 6,
        ToRelay::Purge { .. } => 7,
        ToRelay::Close { .. } => 8,
        ToRelay::Ping { .. } => 9,
        ToRelay::Errand { .. } => 10,
        ToRelay::Admit { .. } => 11,
        ToRelay::Invite { .. } => 12,
        ToRelay::Claim { .. } => 13,
        ToRelay::Mail { .. } => 14,
        ToRelay::Reject => 15,
    }
}

/// How many kinds there are.
pub(super) const KINDS: usize = 16;
