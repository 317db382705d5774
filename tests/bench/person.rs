//! From nothing to two machines in sync, lived through at a person's speed: each key, each word on paper, each look.

use std::time::Instant;

use caro_tests::{Device, Relay, person::Person};

use crate::figures::Figures;

/// By phrase and by code.
pub(crate) fn measure(figures: &mut Figures) {
    let relay = Relay::new();
    for by_code in [false, true] {
        let (laptop, desktop) = (Device::new(), Device::new());
        laptop.type_lines("one", &["echo from the laptop"]);
        let (mut person, begun) = (Person::living(), Instant::now());
        let phrase = person.makes_an_account(&laptop, &relay);
        if by_code {
            person.pairs(&laptop, &desktop, &relay);
        } else {
            person.restores(&desktop, &relay, &phrase);
        }
        person.sees(&desktop, &["echo from the laptop"]);
        let how = if by_code { "code" } else { "phrase" };
        figures.one(&format!("two machines in sync by {how}, a person's time"), "s", begun.elapsed().as_secs_f64());
        figures.one("  commands", "", person.commands as f64);
    }
}
