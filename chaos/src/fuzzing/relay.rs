//! A whole relay against devices that say anything.

use caro_link::{identity::Signer, proof};
use caro_schema::{
    codec,
    id::{Hash, Signature},
    limits::PAGE_CELLS_MAX,
    relay::{ToDevice, ToRelay, list::DeviceList},
};
use serde_bytes::ByteBuf;

use super::{Target, input::Input};
use crate::relay::Relay;

pub(super) const TARGETS: &[Target] = &[Target {
    name: "relay",
    what: "a relay and up to four connections that say anything in any order: who is not on an account's list gets nothing \
           of it, and an account's log only grows",
    run: relay,
    seeds,
}];

const ACCOUNT: [u8; 32] = [5; 32];

fn relay(data: &[u8]) {
    let mut relay = Relay::new(0, None);
    let owner = Signer::from_seed(&ACCOUNT);
    let handle = proof::handle_of(&Hash(owner.public()));
    let (inside, handshake) = ([1; 32], Hash([1; 32]));
    let first = relay.arrive(inside, handshake, 0);
    let list = DeviceList { version: 1, prev: Hash([0; 32]), keys: vec![proof::device_key_hash(&inside)] };
    relay.message(
        first,
        ToRelay::Create { account: Hash(owner.public()), list: proof::sign_list(&owner, &list), token: None },
        0,
    );
    assert!(relay.work(0));
    relay.message(first, ToRelay::Push { cells: vec![cell(1), cell(2)] }, 0);
    assert!(relay.work(0));
    let kept = relay.entries(&handle);
    assert_eq!(kept.len(), 2);

    let mut input = Input::new(data);
    let mut strangers = Vec::new();
    let mut now_ms = 1;
    while !input.is_empty() {
        match input.below(6) {
            0 if strangers.len() < 4 => strangers.push(relay.arrive([input.byte().max(2); 32], Hash([9; 32]), now_ms)),
            1 => {
                if let Some(id) = strangers.pop() {
                    relay.depart(id);
                }
            }
            2 => now_ms += u64::from(input.short()),
            3 => relay.time(now_ms),
            4 => assert!(relay.work(now_ms)),
            _ => {
                let which = input.below(4);
                let message = message(&mut input, &owner);
                if let (Some(message), Some(id)) = (message, strangers.get(which)) {
                    relay.message(*id, message, now_ms);
                }
            }
        }
        for id in &strangers {
            for said in relay.outgoing.get_mut(id).into_iter().flat_map(|queue| queue.drain(..)) {
                told_nothing(&said);
            }
        }
    }
    assert!(relay.work(now_ms));
    assert!(relay.entries(&handle).starts_with(&kept), "a stranger changed an account's log");
}

/// A stranger may hear that it is a stranger, and of accounts of its own, which here have no cells.
fn told_nothing(message: &ToDevice) {
    if let ToDevice::Page(page) = message {
        assert!(page.entries.len() <= PAGE_CELLS_MAX);
        let stolen = page.entries.iter().any(
            |entry| matches!(entry, caro_schema::relay::Entry::Cell(known) if *known == cell(1) || *known == cell(2)),
        );
        assert!(!stolen, "a stranger was sent an account's cells");
    }
}

fn message(input: &mut Input<'_>, owner: &Signer) -> Option<ToRelay> {
    let account = Hash(owner.public());
    Some(match input.below(8) {
        0 => ToRelay::Hello { handle: proof::handle_of(&account) },
        1 => ToRelay::Attach { account, proof: Signature([input.byte(); 64]) },
        2 => ToRelay::Push { cells: vec![ByteBuf::from(input.bytes().to_vec())] },
        3 => ToRelay::Pull { after: u64::from(input.short()) },
        4 => ToRelay::Purge { cells: vec![proof::cell_id(&cell(1))] },
        5 => ToRelay::Close { account, proof: Signature([input.byte(); 64]) },
        _ => return codec::decode(input.bytes()).ok(),
    })
}

/// A cell in form, with nothing in it.
fn cell(number: u8) -> ByteBuf {
    let mut bytes = vec![number; 1024];
    bytes[..2].copy_from_slice(&[caro_schema::version::BYTES, caro_schema::version::SUITE]);
    ByteBuf::from(bytes)
}

fn seeds() -> Vec<Vec<u8>> {
    let say = |what: &[u8]| [&[5, 0][..], what].concat();
    let arrive = vec![0, 7];
    let work = vec![4];
    let hello = [&arrive[..], &say(&[0]), &work].concat();
    let everything = [
        &arrive[..],
        &say(&[1, 3]),
        &work,
        &say(&[3, 0, 0]),
        &say(&[2, 0, 4, 1, 1, 1, 1]),
        &say(&[4]),
        &say(&[5, 3]),
        &work,
        &[2, 0xff, 0xff, 3],
    ]
    .concat();
    vec![arrive, hello, everything]
}
