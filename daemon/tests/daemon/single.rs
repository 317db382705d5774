//! One daemon for each home, and always one that can be found.

use std::{fs, os::unix::net::UnixListener, thread};

use crate::support::{DAEMON, Home, eventually, identity};

#[test]
fn trap_55_of_fifty_started_at_once_exactly_one_stays() {
    let home = Home::new();
    let mut children: Vec<_> = (0..50).map(|_| home.command(DAEMON).spawn().expect("it starts")).collect();
    let mut client = home.client();
    let stays = client.status().pid;
    let mut ended = 0;
    for child in children.iter_mut().filter(|child| child.id() != stays) {
        let status = eventually("the others end", || child.try_wait().expect("asked"));
        assert_eq!(status.code(), Some(0), "{}", home.log());
        ended += 1;
    }
    assert_eq!(ended, 49);
    assert_eq!(client.status().pid, stays);
    for child in &mut children {
        if child.id() == stays {
            child.kill().expect("killed");
            child.wait().expect("gone");
        }
    }
}

#[test]
fn trap_31_sixty_four_shells_at_once_are_recorded() {
    let home = Home::new();
    let daemon = home.start();
    let threads: Vec<_> = (0..64)
        .map(|number| {
            let mut hook = home.shell(&format!("s{number}"));
            thread::spawn(move || {
                hook.header();
                for command in 0..10 {
                    hook.run(&format!("echo {command}"));
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("it wrote");
    }
    let mut client = daemon.client();
    client.flush();
    assert_eq!(client.status().records, 640);
}

#[test]
fn trap_55_a_socket_left_behind_by_a_crash_is_replaced() {
    let home = Home::new();
    home.start().kill();
    let socket = home.places().socket;
    assert!(socket.exists(), "a killed daemon leaves its socket");
    let daemon = home.start();
    daemon.client().status();
    daemon.kill();
    // And one that was never a daemon's.
    fs::remove_file(&socket).expect("removed");
    drop(UnixListener::bind(&socket).expect("bound"));
    home.start().client().status();
}

#[test]
fn a_second_daemon_makes_the_first_look_for_its_lost_socket() {
    let home = Home::new();
    let daemon = home.start();
    let socket = home.places().socket;
    let before = identity(&socket).expect("there");
    // As at the end of a login session, together with its folder.
    fs::remove_dir_all(socket.parent().expect("a folder")).expect("removed");
    let (status, said) = home.run();
    assert_eq!((status.code(), said.as_str()), (Some(0), ""));
    let after = eventually("the socket is back", || identity(&socket));
    assert_ne!(before, after, "another one");
    assert_eq!(home.client().status().pid, daemon.pid());
}

#[test]
fn a_runtime_folder_that_is_gone_for_good_is_done_without() {
    let home = Home::new();
    let daemon = home.start();
    let runtime = home.path().join("run");
    fs::remove_dir_all(&runtime).expect("removed");
    // A file in its place: no folder can be made there any more.
    fs::write(&runtime, b"").expect("written");
    let (status, _) = home.run();
    assert_eq!(status.code(), Some(0));
    assert_eq!(home.client().status().pid, daemon.pid(), "found by the note");
    let socket = home.client().status().socket;
    assert!(socket.starts_with("/tmp/caro-"), "{socket}");
    drop(daemon);
    fs::remove_file(socket).expect("removed");
}

#[test]
fn two_homes_do_not_know_each_other() {
    let (one, two) = (Home::new(), Home::new());
    let (daemon_one, daemon_two) = (one.start(), two.start());
    one.shell("s").header();
    one.shell("s").run("in one");
    two.shell("s").header();
    two.shell("s").run("in two");
    let (mut client_one, mut client_two) = (daemon_one.client(), daemon_two.client());
    client_one.flush();
    client_two.flush();
    assert_eq!(client_one.commands(), ["in one"]);
    assert_eq!(client_two.commands(), ["in two"]);
}

#[test]
fn a_lock_whose_file_was_removed_ends_the_daemon_instead_of_leaving_two() {
    let home = Home::new();
    let first = home.start();
    fs::remove_file(home.places().lock()).expect("removed");
    // A second one finds no lock, and a spool to knock at.
    caro_daemon::spool::watch::wake(&home.places().spool).expect("woken");
    assert_eq!(first.wait().code(), Some(0));
    home.start().client().status();
}
