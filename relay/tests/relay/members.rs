//! Device lists: who may change them, how, and what happens to those who are taken off.

use caro_link::proof;
use caro_schema::{
    id::Hash,
    relay::{ErrorCode, ToDevice, ToRelay},
};

use crate::support::{Account, Client, Device, Running, cell};

#[tokio::test]
async fn trap_39_a_list_follows_the_last_one_and_is_the_accounts_own() {
    let relay = Running::start().await;
    let (account, device, ghost) = (Account::new(), Device::new(), Device::new());
    let first = account.first_list(&[device]);
    let mut client = Client::create(&relay.target, &account, &[device]).await;
    let prev = proof::list_hash(&first.list);
    for skewed in [
        account.list(3, prev, &[device]),
        account.list(1, Hash([0; 32]), &[device, ghost]),
        account.list(2, Hash([7; 32]), &[device, ghost]),
    ] {
        client.send(&ToRelay::SetList { list: skewed }).await;
        client.refused(ErrorCode::ListOutOfStep).await;
    }
    let second = account.next_list(&first, &[device]);
    for _ in 0..2 {
        // The second time, the answer to the first was lost.
        client.send(&ToRelay::SetList { list: second.clone() }).await;
        assert_eq!(client.next().await, Some(ToDevice::ListAccepted { version: 2 }));
    }
    // A listed device that has not the account's key cannot change the list either.
    let mut forged = account.next_list(&second, &[device, ghost]);
    forged.signature = Account::new().next_list(&second, &[device, ghost]).signature;
    client.send(&ToRelay::SetList { list: forged }).await;
    client.refused(ErrorCode::BadProof).await;
    client.ended().await;
    let mut client = Client::connect(&relay.target, &ghost).await;
    client.send(&account.hello()).await;
    client.refused(ErrorCode::NotKnown).await;
}

#[tokio::test]
async fn a_device_that_is_taken_off_is_ended_at_once_and_told_when_it_returns() {
    let relay = Running::start().await;
    let (account, keeps, lost) = (Account::new(), Device::new(), Device::new());
    let first = account.first_list(&[keeps, lost]);
    let mut keeper = Client::create(&relay.target, &account, &[keeps, lost]).await;
    let mut thief = Client::hello(&relay.target, &account, &lost).await;
    keeper.others(1).await;
    thief.pull_all().await;
    let second = account.next_list(&first, &[keeps]);
    keeper.send(&ToRelay::SetList { list: second.clone() }).await;
    assert_eq!(keeper.next().await, Some(ToDevice::ListAccepted { version: 2 }));
    thief.refused(ErrorCode::Removed).await;
    thief.ended().await;
    keeper.others(0).await;
    let mut thief = Client::connect(&relay.target, &lost).await;
    thief.send(&account.hello()).await;
    thief.refused(ErrorCode::Removed).await;
    // One that is put back is a device like any other.
    keeper.send(&ToRelay::SetList { list: account.next_list(&second, &[keeps, lost]) }).await;
    assert_eq!(keeper.next().await, Some(ToDevice::ListAccepted { version: 3 }));
    drop(Client::hello(&relay.target, &account, &lost).await);
}

#[tokio::test]
async fn nothing_that_is_pushed_after_it_reaches_a_device_that_was_taken_off() {
    let relay = Running::start().await;
    let (account, keeps, lost) = (Account::new(), Device::new(), Device::new());
    let first = account.first_list(&[keeps, lost]);
    let mut keeper = Client::create(&relay.target, &account, &[keeps, lost]).await;
    let mut thief = Client::hello(&relay.target, &account, &lost).await;
    thief.pull_all().await;
    // In one breath: the list, and a cell that the thief must not get.
    keeper.send(&ToRelay::SetList { list: account.next_list(&first, &[keeps]) }).await;
    keeper.send(&ToRelay::Push { cells: vec![cell(1024)] }).await;
    assert_eq!(keeper.next().await, Some(ToDevice::ListAccepted { version: 2 }));
    assert_eq!(keeper.acknowledged().await.len(), 1);
    thief.refused(ErrorCode::Removed).await;
    thief.ended().await;
}

#[tokio::test]
async fn whoever_attached_may_change_the_list_but_not_read_or_write() {
    let relay = Running::start().await;
    let (account, device) = (Account::new(), Device::new());
    drop(Client::create(&relay.target, &account, &[device]).await);
    let cases = [
        ToRelay::Push { cells: vec![cell(1024)] },
        ToRelay::Pull { after: 0 },
        ToRelay::Delivered { cursor: 0 },
        ToRelay::Purge { cells: vec![] },
    ];
    for message in cases {
        let mut client = Client::connect(&relay.target, &Device::new()).await;
        client.send(&account.attach(&client.handshake)).await;
        client.welcome(&account).await;
        client.send(&ToRelay::Ping { token: 3 }).await;
        assert_eq!(client.next().await, Some(ToDevice::Pong { token: 3 }));
        client.send(&message).await;
        client.refused(ErrorCode::NotKnown).await;
        client.ended().await;
    }
}

#[tokio::test]
async fn presence_counts_the_others() {
    let relay = Running::start().await;
    let (account, devices) = (Account::new(), [Device::new(), Device::new(), Device::new()]);
    let mut first = Client::create(&relay.target, &account, &devices).await;
    first.others(0).await;
    let mut second = Client::hello(&relay.target, &account, &devices[1]).await;
    second.others(1).await;
    first.others(1).await;
    let third = Client::hello(&relay.target, &account, &devices[2]).await;
    first.others(2).await;
    second.others(2).await;
    drop(third);
    first.others(1).await;
    second.others(1).await;
    // Another account's device is nobody's other.
    drop(Client::create(&relay.target, &Account::new(), &[Device::new()]).await);
    drop(second);
    first.others(0).await;
    assert_eq!(first.presence, [0, 1, 2, 1, 0]);
}
