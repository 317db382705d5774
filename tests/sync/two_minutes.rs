//! From nothing to two machines in sync: how much of a person's time, and how many commands. Keys are counted at sixty words
//! a minute, words on paper at two seconds, and what the programs take is measured. `cargo bench -p caro-tests person`
//! lives through it at that speed.

use std::time::Duration;

use caro_tests::{Device, Relay, person::Person};

const TWO_MINUTES: Duration = Duration::from_secs(120);

#[test]
fn two_homes_are_in_sync_in_two_minutes_and_two_commands_by_phrase() {
    let relay = Relay::new();
    let (laptop, desktop) = (Device::new(), Device::new());
    laptop.type_lines("one", &["echo from the laptop"]);
    let mut person = Person::counted();
    let phrase = person.makes_an_account(&laptop, &relay);
    person.restores(&desktop, &relay, &phrase);
    person.sees(&desktop, &["echo from the laptop"]);
    assert!(person.spent < TWO_MINUTES && person.commands == 2, "{:?}, {} commands", person.spent, person.commands);
}

#[test]
fn two_homes_are_in_sync_in_two_minutes_and_three_commands_by_code() {
    let relay = Relay::new();
    let (laptop, desktop) = (Device::new(), Device::new());
    laptop.type_lines("one", &["echo from the laptop"]);
    let mut person = Person::counted();
    person.makes_an_account(&laptop, &relay);
    person.pairs(&laptop, &desktop, &relay);
    person.sees(&desktop, &["echo from the laptop"]);
    assert!(person.spent < TWO_MINUTES && person.commands == 3, "{:?}, {} commands", person.spent, person.commands);
}
