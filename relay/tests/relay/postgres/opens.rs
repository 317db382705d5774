//! Which servers and databases are used, and as whom.

use std::{fs, thread};

use caro_relay::log::{
    Change, Log, LogError, LogReader,
    postgres::{Identity, LinkError, OpenError, PostgresLog},
};
use caro_schema::id::{Generation, Hash};
use caro_tests::{Postgres, eventually};

use crate::support::{
    Account, Device, Served,
    served::{IDENTITY, source},
};

#[test]
fn trap_10_a_server_that_may_lose_what_it_says_is_stored_is_refused_also_later() {
    let Some(served) = Served::start("a server with fsync off is refused") else { return };
    let mut log = served.log();
    served.server.sql("ALTER SYSTEM SET fsync TO off");
    served.server.sql("SELECT pg_reload_conf()");
    eventually("the relay notices", || (log.settle() == Err(LogError::Broken)).then_some(()));
    let refused = |word: &str| match served.try_log() {
        Err(error @ OpenError::Link(LinkError::NotDurable(_))) => assert!(error.to_string().contains(word), "{error}"),
        other => panic!("{:?}", other.err()),
    };
    refused("fsync = off");
    served.server.sql("ALTER SYSTEM RESET fsync");
    served.server.sql("SELECT pg_reload_conf()");
    drop(eventually("it is used again", || served.try_log().ok()));
    served.server.sql("ALTER ROLE caro SET synchronous_commit TO off");
    refused("synchronous_commit = off");
}

#[test]
fn trap_10_what_was_found_is_kept_while_connected() {
    let Some(served) = Served::start("synchronous_commit is kept while connected") else { return };
    let mut log = served.log();
    served.server.sql("ALTER SYSTEM SET synchronous_commit TO off");
    served.server.sql("SELECT pg_reload_conf()");
    // A new connection is refused; the one that is there goes on as before.
    eventually("the server has read it", || served.try_log().err());
    for _ in 0..20 {
        assert_eq!(log.settle(), Ok(()));
    }
}

#[test]
fn a_newer_foreign_or_other_relays_database_is_refused_and_kept() {
    let Some(served) = Served::start("a newer, a foreign and another relay's database are refused") else { return };
    drop(served.log());
    let other = Identity { signer: Hash([9; 32]), ..IDENTITY };
    let opened = PostgresLog::open(&served.source, &other, Generation([1; 16]));
    assert!(matches!(opened.err(), Some(OpenError::OtherKeys)));
    served.server.sql("UPDATE caro_relay.relay SET layout = 9");
    let refused = served.try_log().err();
    assert!(matches!(refused, Some(OpenError::Newer { found: 9, known: 2 })), "{refused:?}");
    assert!(matches!(PostgresLog::look(&served.source).err(), Some(OpenError::Newer { .. })));
    assert_eq!(served.server.sql("SELECT layout FROM caro_relay.relay"), "9");
    served.server.sql("DROP TABLE caro_relay.relay");
    assert!(matches!(served.try_log().err(), Some(OpenError::Foreign)));
    served.server.sql("DROP SCHEMA caro_relay CASCADE");
    assert!(matches!(PostgresLog::look(&served.source).err(), Some(OpenError::None)));
    assert_eq!(served.server.sql("SELECT count(*) FROM pg_namespace WHERE nspname = 'caro_relay'"), "0");
}

#[test]
fn relays_that_start_at_once_make_one_database() {
    let Some(served) = Served::start("several relays start at once on an empty database") else { return };
    let generations: Vec<Generation> = thread::scope(|scope| {
        let starts: Vec<_> = (1..=4)
            .map(|n| {
                let source = served.source.clone();
                scope.spawn(move || PostgresLog::open(&source, &IDENTITY, Generation([n; 16])))
            })
            .collect();
        starts.into_iter().map(|start| start.join().unwrap().unwrap().generation()).collect()
    });
    assert!(generations.iter().all(|generation| *generation == generations[0]));
    assert_eq!(served.server.sql("SELECT count(*) FROM caro_relay.relay"), "1");
}

#[test]
fn r003_a_database_of_the_first_layout_is_moved_on_with_what_it_holds_when_nobody_uses_it() {
    let Some(served) = Served::start("a database of the first layout on PostgreSQL") else { return };
    let mut log = served.log();
    let (account, device) = (Account::new(), Device::new());
    let list = account.first_list(&[device]);
    let create = Change::Create { account: account.public(), list, accounts_max: 1, invitation: None };
    log.commit(vec![create]).unwrap();
    let first = "ALTER TABLE caro_relay.account DROP COLUMN restored; UPDATE caro_relay.relay SET layout = 1";
    served.server.sql(first);
    assert!(matches!(served.try_log().err(), Some(OpenError::InUse)));
    drop(log);
    let mut log = eventually("nobody uses it", || served.try_log().ok());
    assert_eq!(served.server.sql("SELECT layout FROM caro_relay.relay"), "2");
    assert!(log.account(&account.handle()).unwrap().is_some());
}

#[test]
fn a_new_life_begins_only_when_nobody_uses_the_database() {
    let Some(served) = Served::start("a database in use does not begin a new life") else { return };
    let log = served.log();
    let renewed = PostgresLog::renew(&served.source, Generation([7; 16]));
    assert!(matches!(renewed.err(), Some(OpenError::InUse)));
    drop(log);
    eventually("nobody uses it", || PostgresLog::renew(&served.source, Generation([7; 16])).ok());
    assert!(served.log().generation() == Generation([7; 16]));
}

#[test]
fn over_tcp_the_server_proves_itself_and_the_password_comes_from_a_file() {
    let test = "a connection to the database over TLS";
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let Some(mut server) = Postgres::start_with(test, "", true) else { return };
    server.sql("SET password_encryption TO 'scram-sha-256'; ALTER ROLE caro PASSWORD 'canary: and a \\ more'");
    server.stop();
    server.write("server.pem", &made.cert.pem());
    server.write("server.key", &made.signing_key.serialize_pem());
    let hba = server.write("hba.conf", "local all all trust\nhostssl all all all scram-sha-256\n");
    let folder = server.folder().display().to_string();
    server.set(&format!(
        "ssl = on\nssl_cert_file = '{folder}/server.pem'\nssl_key_file = '{folder}/server.key'\nhba_file = '{}'",
        hba.display()
    ));
    server.resume();
    let ours = tempfile::tempdir().unwrap();
    let (right, wrong, ca) = (ours.path().join("right"), ours.path().join("wrong"), ours.path().join("ca.pem"));
    for (path, text) in [(&right, "canary: and a \\ more\n"), (&wrong, "no\n")] {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }
    fs::write(&ca, made.cert.pem()).unwrap();
    let stranger = ours.path().join("other.pem");
    fs::write(&stranger, other.cert.pem()).unwrap();
    let open = |password: &std::path::Path, authorities: &std::path::Path| {
        let source = source(&server, |setting| {
            setting.password_file = Some(password.to_owned());
            setting.authorities = Some(authorities.to_owned());
        });
        PostgresLog::open(&source, &IDENTITY, Generation([1; 16])).map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(open(&right, &ca), Ok(()));
    let said = open(&wrong, &ca).unwrap_err();
    assert!(said.contains("28P01") && !said.contains("canary"), "{said}");
    let said = open(&right, &stranger).unwrap_err();
    assert!(said.contains("TLS") && !said.contains("canary"), "{said}");
    eventually("no connection is left behind", || {
        (server.sql("SELECT count(*) FROM pg_stat_ssl WHERE ssl") == "0").then_some(())
    });
}
