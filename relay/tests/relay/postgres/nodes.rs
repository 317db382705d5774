//! Two relays on one database, each with sessions of its own: what happens at one is seen at the other.

use caro_relay::config::Config;
use caro_schema::{
    id::Hash,
    relay::{Entry, ErrorCode, ToDevice, ToRelay},
};
use serde_bytes::ByteBuf;

use crate::support::{Account, Client, Device, Running, Served, cell, until};

/// Two relays, one account with a device at each.
struct Both {
    served: Served,
    relays: [Running; 2],
    account: Account,
    devices: [Device; 2],
    here: Client,
    there: Client,
}

async fn both(test: &str) -> Option<Both> {
    let served = Served::start(test)?;
    let relays = served.two().await;
    let (account, devices) = (Account::new(), [Device::new(), Device::new()]);
    let here = Client::create(&relays[0].target, &account, &devices).await;
    let there = Client::hello(&relays[1].target, &account, &devices[1]).await;
    Some(Both { served, relays, account, devices, here, there })
}

#[tokio::test]
async fn what_is_pushed_at_one_comes_live_at_the_other_in_order_and_once() {
    let Some(Both { mut here, mut there, served, relays: _relays, .. }) =
        both("live delivery between two relays").await
    else {
        return;
    };
    there.pull(0, Hash([0; 32])).await;
    assert!(there.page().await.entries.is_empty());
    here.pull(0, Hash([0; 32])).await;
    assert!(here.page().await.entries.is_empty());
    let pushed: Vec<ByteBuf> = (0..20).map(|_| cell(1024)).collect();
    for one in &pushed {
        here.push(std::slice::from_ref(one)).await;
    }
    let mut got = Vec::new();
    while got.len() < pushed.len() {
        got.extend(there.page().await.entries);
    }
    assert_eq!(got, pushed.iter().cloned().map(Entry::Cell).collect::<Vec<_>>());
    // And back, mixed with pushes of its own.
    let back = cell(2048);
    assert_eq!(there.push(std::slice::from_ref(&back)).await, [21]);
    loop {
        let page = here.page().await;
        if page.position.cursor == 21 {
            assert_eq!(page.entries.last(), Some(&Entry::Cell(back)));
            break;
        }
    }
    assert_eq!(here.stands(), there_stands(&mut there).await);
    assert!(served.verify().is_sound());
}

/// Where a client stands once its own push has come back to it as its own.
async fn there_stands(client: &mut Client) -> (u64, Hash) {
    while client.stands().0 < 21 {
        client.page().await;
    }
    client.stands()
}

#[tokio::test]
async fn a_push_that_brings_nothing_new_still_shows_what_another_relay_took_in() {
    let Some(Both { mut here, mut there, served: _served, relays: _relays, .. }) =
        both("a push again at another relay").await
    else {
        return;
    };
    let pushed = cell(1024);
    here.push(std::slice::from_ref(&pushed)).await;
    there.pull(0, Hash([0; 32])).await;
    // The relay that took it in may be gone before it could say so; whoever pushes it again is told where it stands.
    assert_eq!(there.push(std::slice::from_ref(&pushed)).await, [1]);
    while there.stands().0 < 1 {
        there.page().await;
    }
}

#[tokio::test]
async fn a_device_that_is_taken_off_at_one_is_ended_at_the_other() {
    let Some(Both { relays, account, devices, mut here, mut there, served: _served, .. }) =
        both("a revocation at another relay").await
    else {
        return;
    };
    let list = account.next_list(&account.first_list(&devices), &devices[..1]);
    here.send(&ToRelay::SetList { list }).await;
    assert_eq!(here.next().await, Some(ToDevice::ListAccepted { version: 2 }));
    there.refused(ErrorCode::Removed).await;
    there.ended().await;
    let mut again = Client::connect(&relays[1].target, &devices[1]).await;
    again.send(&account.hello()).await;
    again.refused(ErrorCode::Removed).await;
}

#[tokio::test]
async fn a_closed_account_is_closed_everywhere_and_a_purge_counts_everywhere() {
    let Some(Both { account, mut here, mut there, served, relays: _relays, .. }) =
        both("a purge and a closing at another relay").await
    else {
        return;
    };
    let pushed = [cell(1024), cell(1024)];
    here.push(&pushed).await;
    let id = caro_link::proof::cell_id(&pushed[0]);
    here.send(&ToRelay::Purge { cells: vec![id] }).await;
    assert_eq!(here.next().await, Some(ToDevice::Purged { count: 1 }));
    assert_eq!(there.pull_all().await, [Entry::Gone(id), Entry::Cell(pushed[1].clone())]);
    here.send(&account.close(&here.handshake)).await;
    assert_eq!(here.next().await, Some(ToDevice::Closed));
    there.refused(ErrorCode::NotKnown).await;
    there.ended().await;
    assert_eq!(served.server.sql("SELECT count(*) FROM caro_relay.account"), "0");
}

#[tokio::test]
async fn presence_counts_devices_at_all_relays() {
    let Some(Both { mut here, mut there, relays, account, devices, served: _served, .. }) =
        both("presence over two relays").await
    else {
        return;
    };
    here.others(1).await;
    there.others(1).await;
    drop(there);
    here.others(0).await;
    let mut there = Client::hello(&relays[1].target, &account, &devices[1]).await;
    here.others(1).await;
    there.others(1).await;
    // A relay that ends in order leaves nobody behind.
    let [_first, second] = relays;
    drop(second.stop().await);
    here.others(0).await;
}

#[tokio::test]
async fn a_device_that_comes_to_another_relay_has_left_the_first() {
    let Some(Both { mut here, relays, account, devices, served: _served, .. }) = both("a device at two relays").await
    else {
        return;
    };
    let mut again = Client::hello(&relays[1].target, &account, &devices[0]).await;
    here.refused(ErrorCode::SessionExpired).await;
    here.ended().await;
    // The later one stays, however often everybody looks.
    assert_eq!(again.push(&[cell(1024)]).await, [1]);
}

#[tokio::test]
async fn an_account_has_no_more_sessions_than_it_may_over_all_relays() {
    let Some(served) = Served::start("sessions of one account over two relays") else { return };
    let limit = |config: &mut Config| config.limits.sessions_per_account_max = 3;
    let first = served.relay(None, limit).await;
    let second = served.relay(Some(&first), limit).await;
    let (account, devices) = (Account::new(), [0; 4].map(|_| Device::new()));
    let mut sessions = vec![Client::create(&first.target, &account, &devices).await];
    sessions.push(Client::hello(&first.target, &account, &devices[1]).await);
    let mut third = Client::hello(&second.target, &account, &devices[2]).await;
    third.others(2).await;
    let mut fourth = Client::hello(&second.target, &account, &devices[3]).await;
    fourth.refused(ErrorCode::TooManyConnections).await;
    fourth.ended().await;
    assert_eq!(third.push(&[cell(1024)]).await, [1]);
}

#[tokio::test]
async fn what_is_heard_of_a_relay_that_vanished_is_forgotten() {
    let Some(Both { mut here, there: _there, served, relays: _relays, devices, .. }) =
        both("a relay that vanished without a word").await
    else {
        return;
    };
    here.others(1).await;
    let silent_for = |time: &str| {
        let those = "WHERE id IN (SELECT id FROM caro_relay.unheard)";
        format!("UPDATE caro_relay.node SET seen = now() - interval '{time}' {those}")
    };
    unhear(&served, &devices[1], &silent_for("20 seconds"));
    served.server.sql("NOTIFY caro_relay, '*'");
    here.others(0).await;
    let rows = || served.server.sql("SELECT count(*) FROM caro_relay.node");
    assert_eq!(rows(), "2", "it does not count, and is not swept yet");
    served.server.sql(&silent_for("1 hour"));
    until("what it left is swept", || rows() == "1").await;
    // It was not gone at all, and says anew who is connected to it.
    hear(&served);
    here.others(1).await;
}

#[tokio::test]
async fn a_relay_that_is_heard_again_does_not_put_what_it_held_before_what_came_meanwhile() {
    let Some(Both { mut here, mut there, served, relays, account, devices }) =
        both("a relay that was cut off from the database").await
    else {
        return;
    };
    there.others(1).await;
    unhear(&served, &devices[0], "DELETE FROM caro_relay.node WHERE id IN (SELECT id FROM caro_relay.unheard)");
    let mut again = Client::hello(&relays[1].target, &account, &devices[0]).await;
    let seats =
        format!("SELECT count(*) FROM caro_relay.seat WHERE device = decode('{}', 'hex')", devices[0].hash().hex());
    until("the other relay says who came", || served.server.sql(&seats) == "1").await;
    hear(&served);
    here.refused(ErrorCode::SessionExpired).await;
    here.ended().await;
    assert_eq!(again.push(&[cell(1024)]).await, [1]);
}

/// As if the relay to which this device has come had gone without a word: `gone` is done to what is known of it, and when it
/// says that it is there nobody hears it. It is found by the device, because which of two sat down last is not known.
fn unhear(served: &Served, device: &Device, gone: &str) {
    served.server.sql(&format!(
        "CREATE TABLE caro_relay.unheard AS SELECT node AS id FROM caro_relay.seat WHERE device = decode('{}', 'hex');
         CREATE FUNCTION caro_relay.unheard() RETURNS trigger LANGUAGE plpgsql AS
             'BEGIN IF NEW.id IN (SELECT id FROM caro_relay.unheard) THEN RETURN NULL; END IF; RETURN NEW; END';
         CREATE TRIGGER unheard BEFORE INSERT ON caro_relay.node FOR EACH ROW EXECUTE FUNCTION caro_relay.unheard();
         {gone}",
        device.hash().hex(),
    ));
    assert_eq!(served.server.sql("SELECT count(*) FROM caro_relay.unheard"), "1");
}

/// It is heard again.
fn hear(served: &Served) {
    served.server.sql("DROP TRIGGER unheard ON caro_relay.node");
}

#[tokio::test]
async fn both_are_one_relay_to_devices_and_one_life_of_the_database() {
    let Some(served) = Served::start("one relay in two places") else { return };
    let relays = served.two().await;
    assert!(relays[0].target.key == relays[1].target.key);
    let (account, device) = (Account::new(), Device::new());
    let mut client = Client::create(&relays[0].target, &account, &[device]).await;
    client.push(&[cell(1024), cell(1024)]).await;
    let mut first = Client::connect(&relays[0].target, &device).await;
    first.send(&account.hello()).await;
    let first = first.welcome(&account).await;
    let mut second = Client::connect(&relays[1].target, &device).await;
    second.send(&account.hello()).await;
    let second = second.welcome(&account).await;
    assert_eq!(first.position, second.position);
    // Another pair of keys is another relay, and is not let near this database.
    let stranger = caro_relay::serve::Server::start(&Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        data: tempfile::tempdir().unwrap().path().join("relay"),
        plain: true,
        storage: Some(served.server.address()),
        ..Config::default()
    })
    .await;
    assert!(stranger.err().unwrap().to_string().contains("other keys"));
    until("the stranger left nothing", || served.server.sql("SELECT count(*) FROM caro_relay.node") == "2").await;
}
