//! Accounts do not see, change or count each other: every request by every other account's ids.

use caro_link::proof;
use caro_schema::relay::{Entry, ErrorCode, ToDevice, ToRelay};

use crate::support::{Account, Client, Device, Running, cell};

#[tokio::test]
async fn trap_39_no_request_reaches_into_another_account() {
    let relay = Running::start().await;
    let (victim, attacker) = (Account::new(), Account::new());
    let (theirs, mine) = (Device::new(), Device::new());
    let mut target = Client::create(&relay.target, &victim, &[theirs]).await;
    let secret = cell(1024);
    target.push(std::slice::from_ref(&secret)).await;
    let mut client = Client::create(&relay.target, &attacker, &[mine]).await;

    assert!(client.pull_all().await.is_empty());
    client.send(&ToRelay::Purge { cells: vec![proof::cell_id(&secret)] }).await;
    assert_eq!(client.next().await, Some(ToDevice::Purged { count: 0 }));
    // The same bytes in two accounts are two cells: neither learns that the other has them.
    assert_eq!(client.push(&[cell(1024), secret.clone()]).await, [1, 2]);
    client.send(&ToRelay::Purge { cells: vec![proof::cell_id(&secret)] }).await;
    loop {
        match client.next().await.expect("a message") {
            ToDevice::Purged { count } => break assert_eq!(count, 1),
            ToDevice::Page(_) => {}
            other => panic!("{other:?}"),
        }
    }
    for attempt in [
        ToRelay::SetList { list: victim.next_list(&victim.first_list(&[theirs]), &[mine]) },
        victim.close(&client.handshake),
    ] {
        let mut client = Client::hello(&relay.target, &attacker, &mine).await;
        client.send(&attempt).await;
        client.refused(ErrorCode::BadProof).await;
        client.ended().await;
    }
    let mut stranger = Client::connect(&relay.target, &mine).await;
    stranger.send(&victim.hello()).await;
    stranger.refused(ErrorCode::NotKnown).await;

    assert_eq!(target.pull_all().await.len(), 1);
    let mut again = Client::hello(&relay.target, &victim, &theirs).await;
    assert_eq!(again.pull_all().await, [Entry::Cell(secret)]);
}

#[tokio::test]
async fn a_proto_01_what_is_no_message_or_no_cell_ends_its_session_alone() {
    use caro_schema::codec;
    use futures_util::SinkExt;
    use tokio_tungstenite::tungstenite::Message;

    let relay = Running::start().await;
    let (account, device) = (Account::new(), Device::new());
    let mut bystander = Client::create(&relay.target, &Account::new(), &[Device::new()]).await;
    drop(Client::create(&relay.target, &account, &[device]).await);
    let mut wrong_suite = cell(1024);
    wrong_suite[1] = 9;
    let nested = vec![0x91; 5_000];
    let bad = [
        vec![],
        vec![0xc1],
        nested,
        codec::encode(&"hello"),
        [codec::encode(&ToRelay::Ping { token: 1 }), vec![0]].concat(),
        codec::encode(&ToRelay::Push { cells: vec![wrong_suite] }),
        codec::encode(&ToRelay::Push { cells: vec![serde_bytes::ByteBuf::from(vec![1; 1000])] }),
        codec::encode(&ToDevice::Closed),
    ];
    for bytes in bad {
        let mut client = Client::hello(&relay.target, &account, &device).await;
        for record in client.transport.seal(&bytes).unwrap() {
            client.socket.send(Message::binary(record)).await.unwrap();
        }
        client.refused(ErrorCode::Malformed).await;
        client.ended().await;
    }
    // A record that was not made for this session, and text.
    for frame in [Message::binary(vec![7; 100]), Message::text("hello")] {
        let mut client = Client::hello(&relay.target, &account, &device).await;
        client.socket.send(frame).await.unwrap();
        client.ended().await;
    }
    assert_eq!(bystander.push(&[cell(1024)]).await, [1]);
}
