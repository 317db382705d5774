//! What the log asks of a PostgreSQL server.

use caro_relay::log::{Change, Changed, Log, LogReader};
use caro_schema::limits::DEVICES_MAX;

use crate::support::{Account, Device, Served};

#[test]
fn a_res_02_a_list_that_replaces_all_devices_is_a_few_statements() {
    let Some(served) = Served::start("how many statements a list takes on PostgreSQL") else { return };
    let devices = |count| (0..count).map(|_| Device::new()).collect::<Vec<_>>();
    let (account, before, after) = (Account::new(), devices(DEVICES_MAX), devices(DEVICES_MAX));
    let first = account.first_list(&before);
    served.server.sql("ALTER ROLE caro SET log_statement TO 'mod'");
    let mut log = served.log();
    let handle = account.handle();
    let create = Change::Create { account: account.public(), list: first.clone(), accounts_max: 9, invitation: None };
    let set = Change::SetList { handle, list: account.next_list(&first, &after) };
    let changed = log.commit(vec![create, set]).unwrap();
    assert!(matches!(changed[..], [Changed::Created(_), Changed::ListSet { version: 2, .. }]));
    assert!(before.iter().all(|device| log.was_removed(&handle, &device.hash()).unwrap()));
    let asked = served.server.log().matches("INSERT INTO removed").count();
    assert_eq!(asked, 1);
    // They are forgotten in the order of the list that had them.
    let mut keys: Vec<_> = before.iter().map(Device::hash).collect();
    keys.sort();
    let order =
        served.server.sql("SELECT string_agg(encode(device, 'hex'), '' ORDER BY number) FROM caro_relay.removed");
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(order, keys.iter().map(|key| hex(key.as_bytes())).collect::<String>());
}
