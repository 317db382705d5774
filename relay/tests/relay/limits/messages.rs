//! Limits on messages that are costlier than they look: those that come in several records, of which half is held meanwhile,
//! and short ones that make much work.

use caro_link::proof;
use caro_schema::{
    codec,
    id::CellId,
    limits::{CELL_BYTES_MAX, PAGE_CELLS_MAX},
    relay::{ErrorCode, ToDevice, ToRelay},
};
use futures_util::{SinkExt, StreamExt};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Account, Client, Device, PATIENCE, Running, cell};

/// The records of a push that needs several.
fn large_push(client: &mut Client) -> Vec<Vec<u8>> {
    let message = codec::encode(&ToRelay::Push { cells: (0..4).map(|_| cell(CELL_BYTES_MAX)).collect() });
    let records = client.transport.seal(&message).unwrap();
    assert!(records.len() > 2);
    records
}

async fn send(client: &mut Client, record: &[u8]) {
    client.socket.send(Message::binary(record.to_vec())).await.unwrap();
}

/// Waits until the relay has taken in what was sent.
async fn taken_in(client: &mut Client) {
    client.socket.send(Message::Ping(Vec::new().into())).await.unwrap();
    let echoed = async {
        loop {
            match client.socket.next().await {
                Some(Ok(Message::Pong(_))) => break,
                // Presence may come before it.
                Some(Ok(Message::Binary(_))) => {}
                other => panic!("{other:?}"),
            }
        }
    };
    timeout(PATIENCE, echoed).await.expect("an echo in time");
}

#[tokio::test]
async fn message_ms() {
    let relay = Running::with_limits(|limits| limits.message_ms = 300).await;
    let (account, device) = (Account::new(), Device::new());
    let mut client = Client::create(&relay.target, &account, &[device]).await;
    let records = large_push(&mut client);
    send(&mut client, &records[0]).await;
    client.refused(ErrorCode::Idle).await;
    client.ended().await;
}

/// What comes between the pieces of a message would begin the time for it anew, again and again.
#[tokio::test]
async fn a_proto_03_a_message_in_the_middle_of_another_ends_the_session() {
    let relay = Running::start().await;
    let (account, device) = (Account::new(), Device::new());
    let mut client = Client::create(&relay.target, &account, &[device]).await;
    let records = large_push(&mut client);
    send(&mut client, &records[0]).await;
    client.send(&ToRelay::Ping { token: 1 }).await;
    client.refused(ErrorCode::Malformed).await;
    client.ended().await;
    let mut client = Client::hello(&relay.target, &account, &device).await;
    let (one, other) = (large_push(&mut client), large_push(&mut client));
    for record in [&one[0], &one[1], &other[0]] {
        send(&mut client, record).await;
    }
    client.refused(ErrorCode::Malformed).await;
    client.ended().await;
    // One after the other is as it should be.
    let mut client = Client::hello(&relay.target, &account, &device).await;
    for token in 0..2 {
        for record in large_push(&mut client) {
            send(&mut client, &record).await;
        }
        assert_eq!(client.acknowledged().await.len(), 4);
        client.send(&ToRelay::Ping { token }).await;
        assert_eq!(client.next().await, Some(ToDevice::Pong { token }));
    }
}

#[tokio::test]
async fn a_res_02_message_bytes_begun_total() {
    // The first piece of one message fits, and not that of another beside it.
    let relay = Running::with_limits(|limits| limits.message_bytes_begun_total = 100 << 10).await;
    let (account, devices) = (Account::new(), [Device::new(), Device::new()]);
    let mut stuck = Client::create(&relay.target, &account, &devices).await;
    let records = large_push(&mut stuck);
    send(&mut stuck, &records[0]).await;
    taken_in(&mut stuck).await;
    let mut other = Client::hello(&relay.target, &account, &devices[1]).await;
    let push = ToRelay::Push { cells: vec![cell(CELL_BYTES_MAX)] };
    let records = other.transport.seal(&codec::encode(&push)).unwrap();
    assert_eq!(records.len(), 2);
    send(&mut other, &records[0]).await;
    // Who began first is given up; who began last goes on.
    stuck.refused(ErrorCode::StorageUnavailable).await.expect("a time to wait");
    stuck.ended().await;
    send(&mut other, &records[1]).await;
    assert_eq!(other.acknowledged().await.len(), 1);
    // What was given up holds nothing any more.
    let mut again = Client::hello(&relay.target, &account, &devices[0]).await;
    again.push(&[cell(CELL_BYTES_MAX)]).await;
}

/// As many cells as a purge may name, none of which is there.
fn large_purge() -> ToRelay {
    ToRelay::Purge { cells: vec![proof::cell_id(&cell(1024)); PAGE_CELLS_MAX] }
}

#[tokio::test]
async fn a_res_02_the_cells_of_a_purge_count_in_bytes_per_second() {
    // A large purge is had while nothing was asked for, and leaves a debt of minutes.
    let relay = Running::with_limits(|limits| limits.bytes_per_second = 4 << 10).await;
    let (account, device) = (Account::new(), Device::new());
    let mut client = Client::create(&relay.target, &account, &[device]).await;
    client.send(&large_purge()).await;
    assert_eq!(client.next().await, Some(ToDevice::Purged { count: 0 }));
    client.send(&ToRelay::Purge { cells: vec![CellId([0; 32])] }).await;
    let retry_ms = client.refused(ErrorCode::RateLimited).await;
    assert!(retry_ms.is_some_and(|ms| ms > 60_000), "{retry_ms:?}");
    client.ended().await;
}

#[tokio::test]
async fn a_res_02_the_cells_of_a_purge_count_in_push_bytes_waiting_total() {
    let relay = Running::with_limits(|limits| limits.push_bytes_waiting_total = 1 << 20).await;
    let (account, devices) = (Account::new(), [Device::new(), Device::new()]);
    let mut one = Client::create(&relay.target, &account, &devices).await;
    let mut two = Client::hello(&relay.target, &account, &devices[1]).await;
    let holder = rusqlite::Connection::open(caro_relay::folder::database(&relay.folder)).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    one.send(&large_purge()).await;
    one.send(&ToRelay::Ping { token: 1 }).await;
    assert_eq!(one.next().await, Some(ToDevice::Pong { token: 1 }));
    two.send(&ToRelay::Purge { cells: vec![CellId([0; 32])] }).await;
    assert!(two.refused(ErrorCode::StorageUnavailable).await.is_some());
    holder.execute_batch("ROLLBACK").unwrap();
    assert_eq!(one.next().await, Some(ToDevice::Purged { count: 0 }));
    two.send(&large_purge()).await;
    assert_eq!(two.next().await, Some(ToDevice::Purged { count: 0 }));
}

/// The list that is there may be sent again, and its signature is checked each time.
#[tokio::test]
async fn a_res_02_a_device_list_counts_as_many_messages() {
    // One list is had while the account asked for nothing, and leaves a debt of most of a minute.
    let relay = Running::with_limits(|limits| limits.messages_per_second_per_account = 1).await;
    let (account, device) = (Account::new(), Device::new());
    let mut client = Client::create(&relay.target, &account, &[device]).await;
    client.send(&ToRelay::SetList { list: account.first_list(&[device]) }).await;
    assert_eq!(client.next().await, Some(ToDevice::ListAccepted { version: 1 }));
    client.send(&ToRelay::Ping { token: 1 }).await;
    let retry_ms = client.refused(ErrorCode::RateLimited).await;
    assert!(retry_ms.is_some_and(|ms| ms > 10_000), "{retry_ms:?}");
    client.ended().await;
}
