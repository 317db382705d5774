//! Pull and live delivery: what one device pushes another one gets, in order, once, as fast as it confirms.

use caro_link::proof;
use caro_schema::{
    id::Hash,
    limits::{CELL_BYTES_MAX, PAGE_CELLS_MAX},
    relay::{Entry, ErrorCode, ToDevice, ToRelay},
};
use serde_bytes::ByteBuf;

use crate::support::{Account, Client, Device, Running, cell};

async fn two(relay: &Running) -> (Account, Client, Client) {
    let (account, one, two) = (Account::new(), Device::new(), Device::new());
    let first = Client::create(&relay.target, &account, &[one, two]).await;
    let second = Client::hello(&relay.target, &account, &two).await;
    (account, first, second)
}

#[tokio::test]
async fn p003_a_cell_reaches_the_other_device_and_comes_back_as_ones_own() {
    let relay = Running::start().await;
    let (_, mut writer, mut reader) = two(&relay).await;
    assert!(writer.pull_all().await.is_empty());
    assert!(reader.pull_all().await.is_empty());
    for cursor in 1..=20 {
        let pushed = cell(1024);
        writer.send(&ToRelay::Push { cells: vec![pushed.clone()] }).await;
        assert_eq!(reader.page().await.entries, [Entry::Cell(pushed.clone())]);
        assert_eq!(writer.acknowledged().await[0].cursor, cursor);
        let own = writer.page().await;
        assert_eq!(own.entries, [Entry::Own(proof::cell_id(&pushed))]);
        assert!(!own.more);
    }
    assert_eq!(writer.stands(), reader.stands());
}

#[tokio::test]
async fn trap_02_ones_own_acknowledgement_hides_nobody_elses_cells() {
    let relay = Running::start().await;
    let (_, mut one, mut other) = two(&relay).await;
    one.pull_all().await;
    let others: Vec<ByteBuf> = (0..10).map(|_| cell(1024)).collect();
    assert_eq!(other.push(&others).await, (1..=10).collect::<Vec<_>>());
    let own = cell(1024);
    one.send(&ToRelay::Push { cells: vec![own.clone()] }).await;
    let mut got = Vec::new();
    while got.len() < 11 {
        match one.next().await.expect("a message") {
            ToDevice::Page(page) => {
                assert_eq!(page.after as usize, got.len());
                got.extend(page.entries);
            }
            ToDevice::Ack { cells } => assert_eq!(cells[0].cursor, 11),
            other => panic!("{other:?}"),
        }
    }
    let mut expected: Vec<Entry> = others.into_iter().map(Entry::Cell).collect();
    expected.push(Entry::Own(proof::cell_id(&own)));
    assert_eq!(got, expected);
}

#[tokio::test]
async fn trap_09_a_cell_that_is_pushed_again_gets_the_cursor_that_it_has() {
    let relay = Running::start().await;
    let (account, mut first, mut second) = two(&relay).await;
    let cells: Vec<ByteBuf> = (0..5).map(|_| cell(1024)).collect();
    assert_eq!(first.push(&cells).await, [1, 2, 3, 4, 5]);
    for _ in 0..100 {
        assert_eq!(first.push(&cells).await, [1, 2, 3, 4, 5]);
    }
    // From another device, among new ones, and twice in one push.
    let fresh = cell(2048);
    let mixed = [cells[4].clone(), fresh.clone(), cells[0].clone(), fresh.clone()];
    assert_eq!(second.push(&mixed).await, [5, 6, 1, 6]);
    assert_eq!(second.pull_all().await.len(), 6);
    let used = Client::connect(&relay.target, &Device::new()).await;
    let mut used = used;
    used.send(&account.attach(&used.handshake)).await;
    let expected = 5 * 1024 + 2048 + 6 * caro_relay::limits::ENTRY_BYTES;
    assert_eq!(used.welcome(&account).await.used_bytes, expected);
}

#[tokio::test]
async fn trap_05_pages_meet_at_every_count() {
    let relay = Running::start().await;
    let (account, one, other) = (Account::new(), Device::new(), Device::new());
    let mut writer = Client::create(&relay.target, &account, &[one, other]).await;
    let mut all = Vec::new();
    for count in [0, 1, 63, 64, 65, 127, 128, 129, 256] {
        while all.len() < count {
            let more: Vec<ByteBuf> = (all.len()..count.min(all.len() + 200)).map(|_| cell(1024)).collect();
            writer.push(&more).await;
            all.extend(more);
        }
        let mut reader = Client::hello(&relay.target, &account, &other).await;
        let got = reader.pull_all().await;
        assert!(got.iter().eq(all.iter().cloned().map(Entry::Cell).collect::<Vec<_>>().iter()), "{count}");
    }
    // From the middle.
    for after in [255, 256] {
        let head = (1..=after).fold(Hash([0; 32]), |head, cursor| {
            proof::chain_head(&head, cursor, &proof::cell_id(&all[cursor as usize - 1]))
        });
        let mut reader = Client::hello(&relay.target, &account, &other).await;
        reader.pull(after, head).await;
        let page = reader.page().await;
        assert_eq!(page.entries.len() as u64, 256 - after);
        assert!(!page.more);
        assert_eq!(reader.stands().0, 256);
    }
}

#[tokio::test]
async fn s_conv_02_a_cursor_beyond_the_end_is_said() {
    let relay = Running::start().await;
    let (_, mut client, _other) = two(&relay).await;
    client.push(&[cell(1024)]).await;
    client.pull(2, Hash([0; 32])).await;
    client.refused(ErrorCode::CursorAhead).await;
    // It is the device's to decide what to do about it.
    assert_eq!(client.pull_all().await.len(), 1);
}

#[tokio::test]
async fn t_bw_03_what_is_on_its_way_to_a_slow_reader_is_bounded() {
    let relay = Running::start().await;
    let (_, mut writer, mut reader) = two(&relay).await;
    for _ in 0..6 {
        let cells: Vec<ByteBuf> = (0..16).map(|_| cell(CELL_BYTES_MAX)).collect();
        writer.push(&cells).await;
    }
    reader.pull(0, Hash([0; 32])).await;
    let mut unconfirmed = reader.page_unconfirmed().await.entries.len() * CELL_BYTES_MAX;
    // A ping is answered after everything that was sent before: what comes until then is all there is without a
    // confirmation.
    for token in 0..50 {
        reader.send(&ToRelay::Ping { token }).await;
        loop {
            match reader.next().await.expect("a message") {
                ToDevice::Page(page) => unconfirmed += page.entries.len() * CELL_BYTES_MAX,
                ToDevice::Pong { token: answered } if answered == token => break,
                other => panic!("{other:?}"),
            }
        }
    }
    assert!(unconfirmed <= 2 * 1024 * 1024, "{unconfirmed} bytes");
    // It goes on where it stopped as soon as something is confirmed.
    while reader.stands().0 < 96 {
        reader.send(&ToRelay::Delivered { cursor: reader.stands().0 }).await;
        reader.page_unconfirmed().await;
    }
}

#[tokio::test]
async fn s_conc_01_two_devices_push_at_once_and_both_see_everything_once() {
    const EACH: usize = 500;
    let relay = Running::start().await;
    let (_, one, other) = two(&relay).await;
    let both = [one, other].map(|mut client| {
        tokio::spawn(async move {
            // The other one may have begun.
            let mut got = client.pull_all().await;
            let cells: Vec<ByteBuf> = (0..EACH).map(|_| cell(1024)).collect();
            let mut acknowledged = Vec::new();
            for pushed in cells.chunks(7) {
                client.send(&ToRelay::Push { cells: pushed.to_vec() }).await;
            }
            while got.len() < 2 * EACH || acknowledged.len() < EACH {
                match client.next().await.expect("a message") {
                    ToDevice::Page(page) => {
                        assert_eq!(page.after as usize, got.len());
                        client.send(&ToRelay::Delivered { cursor: page.position.cursor }).await;
                        got.extend(page.entries);
                    }
                    ToDevice::Ack { cells } => acknowledged.extend(cells),
                    other => panic!("{other:?}"),
                }
            }
            let ids: Vec<_> = got.iter().map(crate::support::client::entry_id).collect();
            let own = got.iter().filter(|entry| matches!(entry, Entry::Own(_))).count();
            assert_eq!(own, EACH);
            for accepted in &acknowledged {
                assert_eq!(ids[accepted.cursor as usize - 1], accepted.cell);
            }
            // Each author's order is kept.
            let cursors: Vec<u64> = acknowledged.iter().map(|accepted| accepted.cursor).collect();
            assert!(cursors.windows(2).all(|pair| pair[0] < pair[1]));
            ids
        })
    });
    let [one, other] = both;
    let (one, other) = (one.await.unwrap(), other.await.unwrap());
    assert_eq!(one, other);
    assert_eq!(one.iter().collect::<std::collections::HashSet<_>>().len(), 2 * EACH);
}

#[tokio::test]
async fn both_ends_may_send_much_at_once_without_waiting_for_each_other() {
    let relay = Running::start().await;
    let (_, mut writer, mut reader) = two(&relay).await;
    reader.pull(0, Hash([0; 32])).await;
    for _ in 0..4 {
        let cells: Vec<ByteBuf> = (0..16).map(|_| cell(CELL_BYTES_MAX)).collect();
        writer.push(&cells).await;
    }
    // It reads nothing while it sends more than any buffer on the way holds.
    for _ in 0..16 {
        reader.send(&ToRelay::Push { cells: (0..16).map(|_| cell(CELL_BYTES_MAX)).collect() }).await;
    }
    let mut acknowledged = 0;
    while acknowledged < 16 * 16 {
        match reader.next().await.expect("a message") {
            ToDevice::Ack { cells } => acknowledged += cells.len(),
            ToDevice::Page(page) => reader.send(&ToRelay::Delivered { cursor: page.position.cursor }).await,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_push_of_the_most_and_of_the_smallest() {
    let relay = Running::start().await;
    let (_, mut writer, mut reader) = two(&relay).await;
    let cells: Vec<ByteBuf> = (0..PAGE_CELLS_MAX).map(|_| cell(1024)).collect();
    assert_eq!(writer.push(&cells).await.len(), PAGE_CELLS_MAX);
    assert!(writer.push(&[]).await.is_empty());
    assert_eq!(reader.pull_all().await.len(), PAGE_CELLS_MAX);
}
