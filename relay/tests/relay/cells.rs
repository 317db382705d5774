//! Purging and closing: what is forgotten is gone from every file, and its place stays where somebody counts on it.

use std::path::Path;

use caro_link::proof;
use caro_schema::{
    id::{CellId, Hash},
    relay::{Entry, ErrorCode, ToDevice, ToRelay},
};
use serde_bytes::ByteBuf;

use crate::support::{Account, Client, Device, Running, cell, until};

/// Whether any file of the folder has these bytes.
fn anywhere(folder: &Path, bytes: &[u8]) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        // The control socket is no file.
        path.is_file() && std::fs::read(path).unwrap().windows(bytes.len()).any(|window| window == bytes)
    })
}

#[tokio::test]
async fn trap_20_a_purged_cell_is_in_no_file_and_keeps_its_place() {
    let relay = Running::start().await;
    let (account, device) = (Account::new(), Device::new());
    let mut client = Client::create(&relay.target, &account, &[device]).await;
    let cells: Vec<ByteBuf> = [1024, 65_536, 1024].map(cell).to_vec();
    client.push(&cells).await;
    // The middle of a cell: SQLite may cut one at a page's edge.
    let needles: Vec<&[u8]> = cells.iter().map(|cell| &cell[200..232]).collect();
    assert!(needles.iter().all(|needle| anywhere(&relay.folder, needle)));
    let ids: Vec<CellId> = cells.iter().map(|cell| proof::cell_id(cell)).collect();
    let stranger = proof::cell_id(&cell(1024));
    client.send(&ToRelay::Purge { cells: vec![ids[0], ids[1], stranger] }).await;
    assert_eq!(client.next().await, Some(ToDevice::Purged { count: 2 }));
    until("the purged cells are gone", || !anywhere(&relay.folder, needles[0]) && !anywhere(&relay.folder, needles[1]))
        .await;
    assert!(anywhere(&relay.folder, needles[2]));
    let expected = [Entry::Gone(ids[0]), Entry::Gone(ids[1]), Entry::Cell(cells[2].clone())];
    assert_eq!(client.pull_all().await.len(), 3);
    let mut other = Client::hello(&relay.target, &account, &device).await;
    assert_eq!(other.pull_all().await, expected);
    // What was forgotten stays forgotten, whoever still sends it, and again there is nothing to purge.
    assert_eq!(other.push(&cells[..2]).await, [1, 2]);
    assert_eq!(other.pull_all().await, expected);
    other.send(&ToRelay::Purge { cells: ids[..2].to_vec() }).await;
    assert_eq!(other.next().await, Some(ToDevice::Purged { count: 0 }));
    // Trap 6: the next cursor does not fall back to what is left.
    assert_eq!(other.push(&[cell(1024)]).await, [4]);
}

#[tokio::test]
async fn pc003_a_closed_account_is_gone_and_everybody_is_told() {
    let relay = Running::start().await;
    let (account, devices) = (Account::new(), [Device::new(), Device::new()]);
    let mut owner = Client::create(&relay.target, &account, &devices).await;
    let mut other = Client::hello(&relay.target, &account, &devices[1]).await;
    let bystander = Account::new();
    let mut bystander_client = Client::create(&relay.target, &bystander, &[devices[0]]).await;
    let (mine, theirs) = (cell(1024), cell(1024));
    owner.push(std::slice::from_ref(&mine)).await;
    bystander_client.push(std::slice::from_ref(&theirs)).await;
    owner.send(&account.close(&owner.handshake)).await;
    assert_eq!(owner.next().await, Some(ToDevice::Closed));
    owner.ended().await;
    assert_eq!(other.next().await, Some(ToDevice::Closed));
    other.ended().await;
    until("the closed account's cells are gone", || !anywhere(&relay.folder, &mine[200..232])).await;
    assert!(!anywhere(&relay.folder, account.handle().as_bytes()));
    assert!(anywhere(&relay.folder, &theirs[200..232]));
    let mut late = Client::connect(&relay.target, &devices[0]).await;
    late.send(&account.hello()).await;
    late.refused(ErrorCode::NotKnown).await;
    bystander_client.pull(0, Hash([0; 32])).await;
    assert_eq!(bystander_client.page().await.entries, [Entry::Own(proof::cell_id(&theirs))]);
}

#[tokio::test]
async fn only_the_accounts_key_closes_it_and_only_in_its_own_session() {
    let relay = Running::start().await;
    let (account, device) = (Account::new(), Device::new());
    let recorded = Client::create(&relay.target, &account, &[device]).await.handshake;
    let other = Account::new();
    for which in 0..3 {
        let mut client = Client::hello(&relay.target, &account, &device).await;
        let handshake = client.handshake;
        let attempt = match which {
            0 => account.close(&recorded),
            1 => other.close(&handshake),
            // An attach is not a close, though it is over the same hash.
            _ => ToRelay::Close { account: account.public(), proof: proof::sign_attach(&account.signer, &handshake) },
        };
        client.send(&attempt).await;
        client.refused(ErrorCode::BadProof).await;
        client.ended().await;
    }
    drop(Client::hello(&relay.target, &account, &device).await);
}
