//! Crowds, and a system without randomness.

use std::collections::BTreeSet;

use caro_core::sync::Backoff;
use caro_link::{
    handshake::Initiator,
    identity::{Signer, StaticKey},
    proof,
};
use caro_relay::protocol::SessionId;
use caro_schema::{
    id::{Handle, Hash},
    relay::{ToDevice, ToRelay, list::DeviceList},
};

use crate::{
    oracle,
    pipe::Dry,
    relay::Relay,
    sabotage::Sabotage,
    scenario::{Body, Run, Scenario, Tier},
    seed::Seed,
};

/// A-RES-05.
pub const A_RES_05: Scenario = Scenario {
    id: "A-RES-05",
    title: "Reconnection storm",
    injection: "500 clients reconnect after a relay restart. Also: 50 handshakes under entropy stress and injected \
                `getrandom` failure",
    outcome: "Jittered backoff spreads them; relay normal within 30 s; no lockout. No weak or repeated key; on RNG failure \
              the operation aborts",
    bodies: &[
        Body { tier: Tier::Sim, broken_by: &[Sabotage::NoJitter, Sabotage::SkipRetry], run: storm },
        Body { tier: Tier::Pipe, broken_by: &[Sabotage::WeakRngFallback], run: dry },
    ],
};

const CLIENTS: usize = 500;

/// Devices in one account: the list's limit leaves room.
const DEVICES: usize = 50;

/// How many tries a second a relay may see at most when everybody comes back. Without jitter it is all of them at once.
const TRIES_PER_SECOND_MAX: usize = 300;

/// A device as the relay sees it: when it tries next, and whether it is in.
struct Client {
    key: [u8; 32],
    handle: Handle,
    backoff: Backoff,
    random: Seed,
    next_ms: u64,
    session: Option<SessionId>,
    welcome: bool,
}

fn storm(run: &mut Run) {
    let mut relay = Relay::new(0, None);
    let mut clients = accounts(&mut relay, run.seed);
    // The relay goes. Everybody notices within a second, and tries while it is away.
    let mut seed = Seed::new(run.seed);
    relay.crash();
    for client in &mut clients {
        client.next_ms = 1_000 + if run.lacks(Sabotage::NoJitter) { 0 } else { seed.below(1_000) };
    }
    let back_ms = 60_000;
    let mut tries = Vec::new();
    for now_ms in (1_000..back_ms + 30_000).step_by(10) {
        let due: Vec<usize> =
            (0..CLIENTS).filter(|at| clients[*at].next_ms <= now_ms && clients[*at].session.is_none()).collect();
        for at in due {
            let client = &mut clients[at];
            if now_ms >= back_ms {
                tries.push(now_ms);
                let session = relay.arrive(client.key, Hash([7; 32]), now_ms);
                relay.message(session, ToRelay::Hello { handle: client.handle }, now_ms);
                client.session = Some(session);
            } else if run.lacks(Sabotage::SkipRetry) {
                client.next_ms = u64::MAX;
            } else {
                let random = if run.lacks(Sabotage::NoJitter) { 0 } else { client.random.draw() as u32 };
                client.next_ms = now_ms + client.backoff.failed(random);
            }
        }
        assert!(relay.work(now_ms));
        relay.time(now_ms);
        for client in &mut clients {
            let Some(session) = client.session else { continue };
            for said in relay.outgoing.get_mut(&session).into_iter().flat_map(|queue| queue.drain(..)) {
                match said {
                    ToDevice::Welcome { .. } => client.welcome = true,
                    ToDevice::Error { code, .. } => panic!("a device was locked out: {code:?}"),
                    _ => {}
                }
            }
        }
    }
    let inside = clients.iter().filter(|client| client.welcome).count();
    assert!(inside == CLIENTS, "{inside} of {CLIENTS} are back within 30 s");
    let busiest = tries.iter().map(|from| tries.iter().filter(|at| (*from..*from + 1000).contains(*at)).count()).max();
    assert!(busiest.is_some_and(|most| most <= TRIES_PER_SECOND_MAX), "{busiest:?} tries in one second");
}

/// Ten accounts of fifty devices each, made at a relay.
fn accounts(relay: &mut Relay, seed: u64) -> Vec<Client> {
    let mut clients = Vec::new();
    for account in 0..CLIENTS / DEVICES {
        let owner = Signer::from_seed(&[100 + account as u8; 32]);
        let public = Hash(owner.public());
        let keys: Vec<[u8; 32]> =
            (0..DEVICES).map(|device| *blake3::hash(&[account as u8, device as u8]).as_bytes()).collect();
        let mut hashes: Vec<Hash> = keys.iter().map(proof::device_key_hash).collect();
        hashes.sort();
        let list = DeviceList { version: 1, prev: Hash([0; 32]), keys: hashes };
        let session = relay.arrive(keys[0], Hash([1; 32]), 0);
        let create = ToRelay::Create { account: public, list: proof::sign_list(&owner, &list), token: None };
        relay.message(session, create, 0);
        assert!(relay.work(0));
        relay.depart(session);
        clients.extend(keys.into_iter().enumerate().map(|(device, key)| Client {
            key,
            handle: proof::handle_of(&public),
            backoff: Backoff::default(),
            random: Seed::new(seed).fork((account * DEVICES + device) as u64),
            next_ms: 0,
            session: None,
            welcome: false,
        }));
    }
    clients
}

/// A system that has no randomness gives none, and nothing is sealed with less.
fn dry(run: &mut Run) {
    let weak = run.lacks(Sabotage::WeakRngFallback);
    let key = StaticKey::from_bytes(&[1; 32]);
    let mut ephemerals = BTreeSet::new();
    let mut seed = Seed::new(run.seed);
    for n in 0..50 {
        // Every third time there is none.
        let started = if n % 3 == 2 {
            Initiator::start(&key, None, &mut Dry { weak })
        } else {
            Initiator::start(&key, None, &mut seed)
        };
        match started {
            Ok((_, first)) => assert!(ephemerals.insert(first[..32].to_vec()), "a key was used twice"),
            Err(error) => assert!(
                n % 3 == 2 && error == caro_link::handshake::HandshakeError::Entropy(caro_link::entropy::NoEntropy)
            ),
        }
    }
    assert_eq!(ephemerals.len(), 34, "every handshake with randomness has its own key, and there is no other");
    // A device whose system gives none keeps what was typed, makes no op of it, and goes on when there is some again.
    let mut world = run.world(2);
    for n in 0..5 {
        world.machines[0].dry_up(20);
        world.record(0, &format!("canary without randomness {n}"));
        let held = world.held().len();
        world.pass(30);
        assert_eq!(world.held().len(), held, "something was sealed without randomness");
        world.machines[0].dry_up(0);
        world.settle();
    }
    oracle::check(&world);
}
