//! Mailboxes, where a newcomer and a device meet by a number, and devices that are added behind the list.

use caro_schema::{
    limits::{MAIL_BYTES_MAX, MAILBOX_NUMBER_MAX, PAIR_TRIES},
    relay::{ErrorCode, ToDevice, ToRelay},
};

use crate::support::{Account, Client, Device, Running};

/// A listed device on an errand.
async fn errand(relay: &Running, account: &Account, device: &Device) -> Client {
    let mut client = Client::connect(&relay.target, device).await;
    client.send(&ToRelay::Errand { handle: account.handle() }).await;
    client.welcome(account).await;
    client
}

/// An account, its one device, and that device with a mailbox open.
async fn host(relay: &Running, number: u16) -> (Account, Device, Client) {
    let (account, device) = (Account::new(), Device::new());
    Client::create(&relay.target, &account, &[device]).await;
    let mut client = errand(relay, &account, &device).await;
    invite(&mut client, number).await;
    (account, device, client)
}

async fn invite(client: &mut Client, number: u16) {
    client.send(&ToRelay::Invite { number }).await;
    let answer = client.next().await;
    assert!(matches!(answer, Some(ToDevice::Invited { tries: PAIR_TRIES, .. })), "{answer:?}");
}

async fn come(relay: &Running, number: u16) -> Client {
    let mut client = Client::connect(&relay.target, &Device::new()).await;
    client.send(&ToRelay::Claim { number }).await;
    client
}

fn mail(bytes: &[u8]) -> ToRelay {
    ToRelay::Mail { letter: bytes.to_vec().into() }
}

async fn reads(client: &mut Client, bytes: &[u8]) {
    assert_eq!(client.next().await, Some(ToDevice::Mail { letter: bytes.to_vec().into() }));
}

async fn claimed(client: &mut Client, tries_left: u8) {
    assert_eq!(client.next().await, Some(ToDevice::Claimed { tries_left }));
}

#[tokio::test]
async fn si004_letters_cross_and_the_mailbox_is_one_newcomers_at_a_time() {
    let relay = Running::start().await;
    let (_, _, mut host) = host(&relay, 7).await;
    let mut guest = come(&relay, 7).await;
    claimed(&mut guest, 2).await;
    claimed(&mut host, 2).await;
    guest.send(&mail(b"hello")).await;
    reads(&mut host, b"hello").await;
    host.send(&mail(b"answer")).await;
    reads(&mut guest, b"answer").await;
    let mut second = come(&relay, 7).await;
    second.refused(ErrorCode::MailboxTaken).await;
    second.ended().await;
    assert_eq!(host.next().await, Some(ToDevice::Contested));
    // The first one is not disturbed.
    guest.send(&mail(b"more")).await;
    reads(&mut host, b"more").await;
}

#[tokio::test]
async fn pair_tries_are_three_and_then_the_code_is_gone() {
    let relay = Running::start().await;
    let (_, _, mut host) = host(&relay, 7).await;
    for tries_left in [2, 1, 0] {
        let mut guest = come(&relay, 7).await;
        claimed(&mut guest, tries_left).await;
        claimed(&mut host, tries_left).await;
        if tries_left == 1 {
            // One that goes away by itself has had its try too.
            drop(guest);
        } else {
            host.send(&ToRelay::Reject).await;
            guest.refused(ErrorCode::WrongCode).await;
            guest.ended().await;
        }
        assert_eq!(host.next().await, Some(ToDevice::Left));
    }
    host.refused(ErrorCode::NoTriesLeft).await;
    come(&relay, 7).await.refused(ErrorCode::NoMailbox).await;
    // The session goes on, and may open another one.
    invite(&mut host, 8).await;
}

#[tokio::test]
async fn a_mailbox_goes_with_the_session_that_opened_it_and_its_newcomer_is_told() {
    let relay = Running::start().await;
    let (_, _, mut host) = host(&relay, 7).await;
    let mut guest = come(&relay, 7).await;
    claimed(&mut guest, 2).await;
    claimed(&mut host, 2).await;
    drop(host);
    guest.refused(ErrorCode::MailboxClosed).await;
    guest.ended().await;
    come(&relay, 7).await.refused(ErrorCode::NoMailbox).await;
}

#[tokio::test]
async fn mailbox_ms() {
    let relay = Running::with_limits(|limits| limits.mailbox_ms = 300).await;
    let (_, _, mut host) = host(&relay, 7).await;
    let mut guest = come(&relay, 7).await;
    claimed(&mut guest, 2).await;
    claimed(&mut host, 2).await;
    guest.refused(ErrorCode::MailboxExpired).await;
    guest.ended().await;
    host.refused(ErrorCode::MailboxExpired).await;
    come(&relay, 7).await.refused(ErrorCode::NoMailbox).await;
}

#[tokio::test]
async fn mailboxes_max_and_mailboxes_per_address_max() {
    for of_address in [true, false] {
        let relay = Running::with_limits(|limits| {
            let limit = if of_address { &mut limits.mailboxes_per_address_max } else { &mut limits.mailboxes_max };
            *limit = 1;
        })
        .await;
        let (account, device, first) = host(&relay, 7).await;
        let mut second = errand(&relay, &account, &device).await;
        second.send(&ToRelay::Invite { number: 8 }).await;
        assert!(second.refused(ErrorCode::TooManyMailboxes).await.is_some(), "it says when to try again");
        drop(first);
        // When the first one is gone there is room; the relay hears of that a moment later.
        loop {
            second.send(&ToRelay::Invite { number: 8 }).await;
            match second.next().await {
                Some(ToDevice::Invited { .. }) => break,
                Some(ToDevice::Error { code: ErrorCode::TooManyMailboxes, .. }) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn mailbox_bytes_and_mail_bytes_max() {
    let relay = Running::with_limits(|limits| limits.mailbox_bytes = MAIL_BYTES_MAX as u64 + 10).await;
    let (account, device, mut first) = host(&relay, 7).await;
    let mut guest = come(&relay, 7).await;
    claimed(&mut guest, 2).await;
    claimed(&mut first, 2).await;
    first.send(&mail(&vec![1; MAIL_BYTES_MAX])).await;
    reads(&mut guest, &vec![1; MAIL_BYTES_MAX]).await;
    guest.send(&mail(&[2; 11])).await;
    guest.refused(ErrorCode::TooLarge).await;
    let mut second = errand(&relay, &account, &device).await;
    invite(&mut second, 8).await;
    second.send(&mail(&vec![1; MAIL_BYTES_MAX + 1])).await;
    second.refused(ErrorCode::TooLarge).await;
    second.ended().await;
}

#[tokio::test]
async fn trap_38_a_newcomer_says_no_more_than_a_stranger_may() {
    let relay = Running::start().await;
    let (_, _, mut host) = host(&relay, 7).await;
    let mut guest = come(&relay, 7).await;
    claimed(&mut guest, 2).await;
    claimed(&mut host, 2).await;
    // Four letters of a kilobyte are more than the four kilobytes that a stranger has.
    for _ in 0..5 {
        if guest.try_send(&mail(&[1; 1024])).await.is_none() {
            break;
        }
    }
    let mut carried = 0;
    loop {
        match host.next().await {
            Some(ToDevice::Mail { letter }) => carried += letter.len(),
            Some(ToDevice::Left) => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(carried > 0 && carried <= 4096, "{carried}");
}

#[tokio::test]
async fn trap_39_only_a_listed_device_on_an_errand_opens_one_and_a_newcomer_only_writes_letters() {
    let relay = Running::start().await;
    let (account, device, mut open) = host(&relay, 7).await;
    for number in [0, MAILBOX_NUMBER_MAX + 1] {
        let mut client = errand(&relay, &account, &device).await;
        client.send(&ToRelay::Invite { number }).await;
        client.refused(ErrorCode::Malformed).await;
    }
    let mut other = errand(&relay, &account, &device).await;
    other.send(&ToRelay::Invite { number: 7 }).await;
    other.refused(ErrorCode::MailboxTaken).await;
    // An ordinary session has no mailboxes, and somebody who is not listed no errands.
    let mut ordinary = Client::hello(&relay.target, &account, &device).await;
    ordinary.send(&ToRelay::Invite { number: 9 }).await;
    ordinary.refused(ErrorCode::Malformed).await;
    let mut stranger = Client::connect(&relay.target, &Device::new()).await;
    stranger.send(&ToRelay::Errand { handle: account.handle() }).await;
    stranger.refused(ErrorCode::NotKnown).await;
    for message in [ToRelay::Reject, ToRelay::Pull { after: 0 }, ToRelay::Admit { key: Device::new().hash() }] {
        let mut guest = come(&relay, 7).await;
        let answer = guest.next().await;
        assert!(matches!(answer, Some(ToDevice::Claimed { .. })), "{answer:?}");
        guest.send(&message).await;
        guest.refused(ErrorCode::Malformed).await;
        guest.ended().await;
        while open.next().await != Some(ToDevice::Left) {}
    }
}

#[tokio::test]
async fn an_errand_leaves_the_ordinary_session_alone() {
    let relay = Running::start().await;
    let (account, device) = (Account::new(), Device::new());
    let mut ordinary = Client::create(&relay.target, &account, &[device]).await;
    let mut beside = errand(&relay, &account, &device).await;
    ordinary.send(&ToRelay::Ping { token: 1 }).await;
    assert_eq!(ordinary.next().await, Some(ToDevice::Pong { token: 1 }));
    // Nor can the account's log be read or written to on one.
    beside.send(&ToRelay::Pull { after: 0 }).await;
    beside.refused(ErrorCode::Malformed).await;
}

#[tokio::test]
async fn a_listed_device_adds_one_and_it_stays_until_the_accounts_own_list_leaves_it_out() {
    let relay = Running::start().await;
    let (account, device, added) = (Account::new(), Device::new(), Device::new());
    let first = account.first_list(&[device]);
    Client::create(&relay.target, &account, &[device]).await;
    let mut beside = errand(&relay, &account, &device).await;
    for _ in 0..2 {
        // The second time, the answer to the first was lost.
        beside.send(&ToRelay::Admit { key: added.hash() }).await;
        assert_eq!(beside.next().await, Some(ToDevice::Admitted { key: added.hash() }));
    }
    let relay = relay.stop().await.start().await;
    let mut newcomer = Client::hello(&relay.target, &account, &added).await;
    let mut holder = Client::connect(&relay.target, &device).await;
    holder.send(&account.attach(&holder.handshake)).await;
    let list = holder.welcome(&account).await.list;
    assert_eq!(
        list.added.iter().map(|addition| (addition.key, addition.by)).collect::<Vec<_>>(),
        [(added.hash(), device.hash())]
    );
    // A list that has not seen it would throw it off without meaning to.
    holder.send(&ToRelay::SetList { list: account.next_list(&first, &[device]) }).await;
    holder.refused(ErrorCode::ListOutOfStep).await;
    holder.send(&ToRelay::SetList { list: account.next_list(&list, &[device]) }).await;
    assert_eq!(holder.next().await, Some(ToDevice::ListAccepted { version: 2 }));
    newcomer.refused(ErrorCode::Removed).await;
    newcomer.ended().await;
    // And what the account's key took off, no device brings back.
    let mut beside = errand(&relay, &account, &device).await;
    beside.send(&ToRelay::Admit { key: added.hash() }).await;
    beside.refused(ErrorCode::NotAdmitted).await;
}
