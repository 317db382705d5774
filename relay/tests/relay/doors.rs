//! How a session comes about: making an account, joining one, coming back, and everything that is refused there.

use caro_link::proof;
use caro_relay::config::Admission;
use caro_schema::{
    id::{Hash, Signature},
    limits::PREAUTH_BYTES_MAX,
    relay::{ErrorCode, PATH, SUBPROTOCOL, ToDevice, ToRelay},
};
use tokio::net::TcpStream;

use crate::support::{Account, Client, Device, Running, cell, client::record};
use futures_util::SinkExt;
use tokio_tungstenite::tungstenite::Message;

#[tokio::test]
async fn an_account_is_made_and_its_device_comes_back() {
    let relay = Running::start().await;
    let (account, device) = (Account::new(), Device::new());
    let mut client = Client::connect(&relay.target, &device).await;
    client.send(&account.create(&[device])).await;
    let made = client.welcome(&account).await;
    assert_eq!((made.position.cursor, made.position.head), (0, Hash([0; 32])));
    assert_eq!((made.used_bytes, made.quota_bytes), (0, relay.config.limits.bytes_per_account));
    let mut again = Client::connect(&relay.target, &device).await;
    again.send(&account.hello()).await;
    assert_eq!(again.welcome(&account).await.list, account.first_list(&[device]));
}

#[tokio::test]
async fn si004_the_holder_of_the_phrase_adds_a_device() {
    let relay = Running::start().await;
    let (account, first, second) = (Account::new(), Device::new(), Device::new());
    drop(Client::create(&relay.target, &account, &[first]).await);
    let mut joining = Client::connect(&relay.target, &second).await;
    joining.send(&account.attach(&joining.handshake)).await;
    let list = joining.welcome(&account).await.list;
    joining.send(&ToRelay::SetList { list: account.next_list(&list, &[first, second]) }).await;
    assert_eq!(joining.next().await, Some(ToDevice::ListAccepted { version: 2 }));
    // Listed from now on, in this session as in later ones.
    assert_eq!(joining.push(&[cell(1024)]).await, [1]);
    drop(Client::hello(&relay.target, &account, &second).await);
    drop(Client::hello(&relay.target, &account, &first).await);
}

#[tokio::test]
async fn trap_39_whoever_only_knows_the_handle_is_a_stranger() {
    let relay = Running::start().await;
    let (account, device, stranger) = (Account::new(), Device::new(), Device::new());
    drop(Client::create(&relay.target, &account, &[device]).await);
    // The two cases are not told apart.
    for known in [account.hello(), Account::new().hello()] {
        let mut client = Client::connect(&relay.target, &stranger).await;
        client.send(&known).await;
        assert_eq!(client.refused(ErrorCode::NotKnown).await, None);
        client.ended().await;
    }
}

#[tokio::test]
async fn a_proto_02_an_attach_counts_in_its_own_session_only() {
    let relay = Running::start().await;
    let (account, device) = (Account::new(), Device::new());
    drop(Client::create(&relay.target, &account, &[device]).await);
    let recorded = Client::connect(&relay.target, &device).await;
    let other = Account::new();
    for attempt in [
        account.attach(&recorded.handshake),
        ToRelay::Attach { account: account.public(), proof: Signature([0; 64]) },
        ToRelay::Attach { account: account.public(), proof: proof::sign_attach(&other.signer, &recorded.handshake) },
        ToRelay::Attach { account: Hash([0; 32]), proof: Signature([0; 64]) },
    ] {
        let mut client = Client::connect(&relay.target, &Device::new()).await;
        client.send(&attempt).await;
        client.refused(ErrorCode::BadProof).await;
        client.ended().await;
    }
    let mut client = Client::connect(&relay.target, &Device::new()).await;
    client.send(&other.attach(&client.handshake)).await;
    client.refused(ErrorCode::NotKnown).await;
}

#[tokio::test]
async fn an_account_is_made_once_and_only_with_its_own_first_list() {
    let relay = Running::start().await;
    let (account, device) = (Account::new(), Device::new());
    let foreign =
        ToRelay::Create { account: account.public(), list: Account::new().first_list(&[device]), token: None };
    let second = account.next_list(&account.first_list(&[]), &[device]);
    let cases = [
        (foreign, ErrorCode::BadProof),
        (ToRelay::Create { account: account.public(), list: second, token: None }, ErrorCode::ListOutOfStep),
    ];
    for (attempt, expected) in cases {
        let mut client = Client::connect(&relay.target, &device).await;
        client.send(&attempt).await;
        client.refused(expected).await;
        client.ended().await;
    }
    drop(Client::create(&relay.target, &account, &[device]).await);
    let mut again = Client::connect(&relay.target, &device).await;
    again.send(&account.create(&[device])).await;
    again.refused(ErrorCode::Exists).await;
}

#[tokio::test]
async fn a_proto_03_before_hello_nothing_is_done_and_nothing_is_said() {
    let relay = Running::start().await;
    let (account, device) = (Account::new(), Device::new());
    drop(Client::create(&relay.target, &account, &[device]).await);
    for message in [
        ToRelay::Push { cells: vec![cell(1024)] },
        ToRelay::Pull { after: 0 },
        ToRelay::Purge { cells: vec![] },
        ToRelay::SetList { list: account.first_list(&[device]) },
        account.close(&Hash([0; 32])),
        ToRelay::Ping { token: 1 },
    ] {
        let mut client = Client::connect(&relay.target, &device).await;
        client.send(&message).await;
        client.ended().await;
    }
    let mut client = Client::hello(&relay.target, &account, &device).await;
    assert!(client.pull_all().await.is_empty());
}

#[tokio::test]
async fn a_confirmation_of_an_earlier_session_does_no_harm() {
    let relay = Running::start().await;
    let (account, device) = (Account::new(), Device::new());
    drop(Client::create(&relay.target, &account, &[device]).await);
    let mut client = Client::connect(&relay.target, &device).await;
    client.send(&ToRelay::Delivered { cursor: 7 }).await;
    client.send(&account.hello()).await;
    client.welcome(&account).await;
    client.send(&ToRelay::Delivered { cursor: 7 }).await;
    assert!(client.pull_all().await.is_empty());
}

#[tokio::test]
async fn one_opening_is_enough() {
    let relay = Running::start().await;
    let (account, device) = (Account::new(), Device::new());
    for message in [account.hello(), account.create(&[device])] {
        let mut client = match message {
            ToRelay::Create { .. } => Client::hello(&relay.target, &account, &device).await,
            _ => Client::create(&relay.target, &account, &[device]).await,
        };
        client.send(&message).await;
        client.refused(ErrorCode::Malformed).await;
        client.ended().await;
    }
}

#[tokio::test]
async fn registration_by_invitation_and_none_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let invitations = folder.path().join("invitations");
    std::fs::write(&invitations, "# two friends\nalpha\nbeta\n").unwrap();
    let relay = Running::with(|config| {
        config.registration = Admission::Token;
        config.invitations = Some(invitations);
    })
    .await;
    let closed = Running::with(|config| config.registration = Admission::Closed).await;
    for (target, token, admitted) in [
        (&relay.target, None, false),
        (&relay.target, Some("gamma"), false),
        (&relay.target, Some("alpha"), true),
        (&relay.target, Some("beta"), true),
        (&closed.target, None, false),
        (&closed.target, Some("alpha"), false),
    ] {
        let (account, device) = (Account::new(), Device::new());
        let mut client = Client::connect(target, &device).await;
        let list = account.first_list(&[device]);
        client.send(&ToRelay::Create { account: account.public(), list, token: token.map(str::to_owned) }).await;
        match admitted {
            true => drop(client.welcome(&account).await),
            false => drop(client.refused(ErrorCode::RegistrationRefused).await),
        }
    }
}

#[tokio::test]
async fn a_proto_05_only_the_right_path_and_protocol_are_answered() {
    let relay = Running::start().await;
    let connect = || TcpStream::connect(relay.target.address);
    assert!(relay.target.upgrade(connect().await.unwrap(), PATH, SUBPROTOCOL).await.is_some());
    assert!(relay.target.upgrade(connect().await.unwrap(), "/", SUBPROTOCOL).await.is_none());
    assert!(relay.target.upgrade(connect().await.unwrap(), "/v2", SUBPROTOCOL).await.is_none());
    assert!(relay.target.upgrade(connect().await.unwrap(), PATH, "caro.2").await.is_none());
}

#[tokio::test]
async fn e_hs_02_what_is_not_the_handshake_ends_the_connection() {
    let relay = Running::start().await;
    for first in [
        Message::binary(vec![0; 1216]),
        Message::binary(vec![]),
        Message::binary(vec![9; 1215]),
        Message::text("hello"),
    ] {
        let mut socket = relay.target.socket().await.unwrap();
        socket.send(first).await.unwrap();
        assert!(record(&mut socket).await.is_none());
    }
}

#[tokio::test]
async fn trap_38_a_stranger_may_send_a_few_kilobytes_only() {
    let relay = Running::start().await;
    let (account, device) = (Account::new(), Device::new());
    // One that is not known yet may not even make the relay read a large message…
    let mut client = Client::connect(&relay.target, &device).await;
    let list = account.first_list(&[device]);
    let token = Some("x".repeat(2 * PREAUTH_BYTES_MAX));
    client.send(&ToRelay::Create { account: account.public(), list, token }).await;
    client.ended().await;
    // …while the largest list there can be fits.
    let many: Vec<Device> = (0..64).map(|_| Device::new()).collect();
    drop(Client::create(&relay.target, &account, &many).await);
}

#[tokio::test]
async fn e_hs_06_a_device_that_comes_back_has_one_session() {
    let relay = Running::start().await;
    let (account, device, other) = (Account::new(), Device::new(), Device::new());
    let mut watching = Client::create(&relay.target, &account, &[other, device]).await;
    let mut first = Client::hello(&relay.target, &account, &device).await;
    watching.others(1).await;
    let mut second = Client::hello(&relay.target, &account, &device).await;
    first.refused(ErrorCode::SessionExpired).await;
    first.ended().await;
    assert_eq!(second.push(&[cell(1024)]).await, [1]);
    assert_eq!(watching.presence.last(), Some(&1));
}
