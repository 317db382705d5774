//! What a relay can do to pages and to the cells in them.

use caro_link::proof;
use caro_schema::{
    id::CellId,
    limits::{CELL_BYTES_MAX, PAGE_CELL_BYTES_MAX, PAGE_CELLS_MAX},
    relay::{Entry, Page, ToDevice},
};
use serde_bytes::ByteBuf;

use crate::hostile::{
    behaviour::{Act, Behaviour, HONEST, Outcome, Repair},
    relay::{Caller, Relay},
};

/// Applies something to pages that have entries, and leaves every other message as it is.
fn to_pages(
    relay: &mut Relay,
    caller: &Caller,
    message: ToDevice,
    make: impl Fn(&mut Relay, &Caller, Page) -> ToDevice,
) -> Vec<Act> {
    match message {
        ToDevice::Page(page) if !page.entries.is_empty() => vec![Act::Say(make(relay, caller, page))],
        other => vec![Act::Say(other)],
    }
}

/// The same, to the first of them only: what comes later shows that something is missing.
fn to_first_page(
    relay: &mut Relay,
    caller: &Caller,
    message: ToDevice,
    make: impl Fn(&mut Relay, &Caller, Page) -> ToDevice,
) -> Vec<Act> {
    let has_cells =
        matches!(&message, ToDevice::Page(page) if page.entries.iter().any(|entry| matches!(entry, Entry::Cell(_))));
    if has_cells {
        relay.count += 1;
    }
    if has_cells && relay.count == 1 {
        to_pages(relay, caller, message, make)
    } else {
        vec![Act::Say(relay.continued(caller, message))]
    }
}

/// Changes the bytes of each cell.
fn bend(entry: Entry, change: impl Fn(&mut Vec<u8>)) -> Entry {
    let Entry::Cell(cell) = entry else { return entry };
    let mut bytes = cell.into_vec();
    change(&mut bytes);
    Entry::Cell(ByteBuf::from(bytes))
}

/// A cell in form, sealed under nobody's key.
fn foreign(number: usize) -> Entry {
    let mut bytes = vec![7; 1024];
    bytes[..2].copy_from_slice(&[caro_schema::version::BYTES, caro_schema::version::SUITE]);
    bytes[10..18].copy_from_slice(&number.to_be_bytes());
    Entry::Cell(ByteBuf::from(bytes))
}

/// Told when an op follows others that do not come, with what to do about it.
const HELD_BACK: &str = "note: the relay holds back";

/// Cells of somebody else.
pub(super) const SWAP_ACCOUNTS: Behaviour = Behaviour {
    name: "swap-accounts",
    what: "puts cells of another account in the places of this one's, in one page",
    outcome: Outcome::Notes { told: HELD_BACK },
    repair: Repair::Renew,
    say: |relay, caller, message| {
        to_first_page(relay, caller, message, |relay, caller, page| {
            let after = usize::try_from(page.after).unwrap_or(0);
            relay.altered(caller, page, |at, entry| match entry {
                Entry::Cell(_) => foreign(after + at),
                other => other,
            })
        })
    },
    ..HONEST
};

/// The key log in the places of ops.
pub(super) const SWAP_CLASSES: Behaviour = Behaviour {
    name: "swap-classes",
    what: "puts an entry of the key log in the place of each op of one page",
    outcome: Outcome::Notes { told: HELD_BACK },
    repair: Repair::Renew,
    say: |relay, caller, message| {
        to_first_page(relay, caller, message, |relay, caller, page| {
            let first = relay.oldest_cell(caller);
            relay.altered(caller, page, |_, entry| match (entry, &first) {
                (Entry::Cell(_), Some(first)) => Entry::Cell(first.clone()),
                (other, _) => other,
            })
        })
    },
    ..HONEST
};

/// What was there before, again.
pub(super) const REPLAY: Behaviour = Behaviour {
    name: "replay",
    what: "sends cells from the beginning of the log in the places of the new ones of one page",
    outcome: Outcome::Notes { told: HELD_BACK },
    repair: Repair::Renew,
    say: |relay, caller, message| {
        to_first_page(relay, caller, message, |relay, caller, page| {
            let old = relay.all_cells(caller);
            relay.altered(caller, page, |at, entry| match entry {
                Entry::Cell(_) if !old.is_empty() => Entry::Cell(old[at % old.len()].clone()),
                other => other,
            })
        })
    },
    ..HONEST
};

/// The last one first.
pub(super) const BACKWARDS: Behaviour = Behaviour {
    name: "backwards",
    what: "sends the entries of each page in reverse",
    outcome: Outcome::Harmless,
    repair: Repair::Renew,
    say: |relay, caller, message| {
        to_pages(relay, caller, message, |relay, caller, page| {
            let reversed: Vec<Entry> = page.entries.iter().rev().cloned().collect();
            relay.altered(caller, page, |at, _| reversed[at].clone())
        })
    },
    ..HONEST
};

/// Damage on purpose.
pub(super) const BIT_FLIPS: Behaviour = Behaviour {
    name: "bit-flips",
    what: "flips one bit in each cell of a page, and signs a chain that fits",
    outcome: Outcome::Notes { told: HELD_BACK },
    repair: Repair::Renew,
    say: |relay, caller, message| {
        to_first_page(relay, caller, message, |relay, caller, page| {
            relay.altered(caller, page, |at, entry| bend(entry, |bytes| bytes[500 + at % 400] ^= 0x10))
        })
    },
    ..HONEST
};

/// Damage that the chain shows.
pub(super) const BIT_FLIPS_TRUE_CHAIN: Behaviour = Behaviour {
    name: "bit-flips-true-chain",
    what: "flips one bit in each cell, under the position of the true ones",
    outcome: Outcome::Stops { told: "it shows an older history than before" },
    repair: Repair::On,
    say: |relay, caller, message| {
        to_pages(relay, caller, message, |_, _, mut page| {
            let flip = |entry| bend(entry, |bytes| bytes[500] ^= 0x10);
            page.entries = page.entries.into_iter().map(flip).collect();
            ToDevice::Page(page)
        })
    },
    ..HONEST
};

/// Another version or suite on the cells.
pub(super) const DOWNGRADE: Behaviour = Behaviour {
    name: "downgrade",
    what: "writes an older version, or suite 0, on the cells of a page",
    outcome: Outcome::Notes { told: HELD_BACK },
    repair: Repair::Renew,
    say: |relay, caller, message| {
        to_first_page(relay, caller, message, |relay, caller, page| {
            relay.altered(caller, page, |at, entry| bend(entry, |bytes| bytes[at % 2] = 0))
        })
    },
    ..HONEST
};

/// Everything was purged, it says.
pub(super) const PURGE_STORM: Behaviour = Behaviour {
    name: "purge-storm",
    what: "says of every cell of one page that it was purged",
    outcome: Outcome::Notes { told: HELD_BACK },
    repair: Repair::Renew,
    say: |relay, caller, message| {
        to_first_page(relay, caller, message, |relay, caller, page| {
            relay.altered(caller, page, |_, entry| match entry {
                Entry::Cell(cell) => Entry::Gone(proof::cell_id(&cell)),
                other => other,
            })
        })
    },
    ..HONEST
};

/// Told of every page that does not follow from the one before.
const MISBEHAVED: &str = "it does not keep to the protocol and may need an upgrade";

/// A gap.
pub(super) const CURSOR_JUMP: Behaviour = Behaviour {
    name: "cursor-jump",
    what: "leaves a thousand cursors out",
    outcome: Outcome::Stops { told: MISBEHAVED },
    repair: Repair::On,
    say: |relay, caller, message| {
        to_pages(relay, caller, message, |relay, caller, page| moved(relay, caller, page, |after| after + 1000))
    },
    ..HONEST
};

/// Backwards.
pub(super) const CURSOR_FALLS: Behaviour = Behaviour {
    name: "cursor-falls",
    what: "sends pages from before where the device is",
    outcome: Outcome::Stops { told: MISBEHAVED },
    repair: Repair::On,
    say: |relay, caller, message| {
        to_pages(relay, caller, message, |relay, caller, page| {
            moved(relay, caller, page, |after| after.saturating_sub(1))
        })
    },
    ..HONEST
};

fn moved(relay: &mut Relay, caller: &Caller, page: Page, to: impl Fn(u64) -> u64) -> ToDevice {
    let Some(handle) = caller.handle else { return ToDevice::Page(page) };
    let after = to(page.after);
    let position = relay.sign(&handle, after + page.entries.len() as u64, page.position.head);
    ToDevice::Page(Page { after, position, ..page })
}

/// More to come, and nothing comes.
pub(super) const EMPTY_PAGES: Behaviour = Behaviour {
    name: "empty-pages",
    what: "sends empty pages for ever, each with the word that there is more",
    outcome: Outcome::Stops { told: MISBEHAVED },
    repair: Repair::On,
    say: |relay, caller, message| match (message, caller.handle) {
        (ToDevice::Page(page), Some(handle)) => {
            let empty = relay.paged(&handle, page.after, Vec::new(), true);
            vec![Act::Flood(ToDevice::Page(empty))]
        }
        (other, _) => vec![Act::Say(other)],
    },
    ..HONEST
};

/// The same again.
pub(super) const SAME_PAGE: Behaviour = Behaviour {
    name: "same-page",
    what: "sends one page for ever",
    outcome: Outcome::Stops { told: MISBEHAVED },
    repair: Repair::On,
    say: |_, _, message| match message {
        ToDevice::Page(page) if !page.entries.is_empty() => vec![Act::Flood(ToDevice::Page(page))],
        other => vec![Act::Say(other)],
    },
    ..HONEST
};

/// More entries than a page may have.
pub(super) const OVERSIZED_COUNT: Behaviour = Behaviour {
    name: "oversized-count",
    what: "sends a page of more entries than a page may have",
    outcome: Outcome::Stops { told: MISBEHAVED },
    repair: Repair::On,
    say: |relay, caller, message| {
        to_pages(relay, caller, message, |relay, caller, page| {
            let Some(handle) = caller.handle else { return ToDevice::Page(page) };
            let many = vec![Entry::Gone(CellId([9; 32])); PAGE_CELLS_MAX + 1];
            let page = relay.paged(&handle, page.after, many, false);
            relay.faked.clear();
            ToDevice::Page(page)
        })
    },
    ..HONEST
};

/// More bytes than a page may have.
pub(super) const OVERSIZED_BYTES: Behaviour = Behaviour {
    name: "oversized-bytes",
    what: "sends a page of more bytes than a page may have",
    outcome: Outcome::Stops { told: MISBEHAVED },
    repair: Repair::On,
    say: |relay, caller, message| {
        to_pages(relay, caller, message, |relay, caller, page| {
            let Some(handle) = caller.handle else { return ToDevice::Page(page) };
            let cell = Entry::Cell(ByteBuf::from(vec![1; CELL_BYTES_MAX]));
            let many = vec![cell; PAGE_CELL_BYTES_MAX / CELL_BYTES_MAX + 1];
            let page = relay.paged(&handle, page.after, many, false);
            relay.faked.clear();
            ToDevice::Page(page)
        })
    },
    ..HONEST
};
