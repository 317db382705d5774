//! What a person keeps beside history and has on every machine: `caro kv`, `caro alias` and `caro env`; scripts are in
//! `script/`. Here is what they share: asking the daemon for items and having it change them.
//!
//! The daemon keeps and merges them, and writes the files from which shells read aliases and variables at their start. What
//! may be kept is `caro_schema::items`.

pub(super) mod alias;
pub(super) mod env;
pub(super) mod kv;
mod listing;
pub(crate) mod taken;

use caro_schema::{
    ipc::{
        Reply, Request,
        items::{Item, ItemChange, ItemsChange, ItemsChanged, ItemsQuery},
    },
    items::Sort,
};

pub(super) use self::listing::List;
use super::unexpected;
use crate::{
    client::Client,
    error::{Failure, Outcome},
    exit,
    output::{say, visible},
};

/// Every item of a category whose name begins so, or every one of all categories.
pub(crate) fn all(client: &mut Client, category: Option<&str>, prefix: &str) -> Outcome<Vec<Item>> {
    let mut items: Vec<Item> = Vec::new();
    loop {
        let after = items.last().map(|item| (item.category.clone(), item.key.clone()));
        let query = ItemsQuery { category: category.map(str::to_owned), prefix: prefix.to_owned(), after };
        let Reply::Items(page) = client.ask(Request::Items(query))? else { return Err(unexpected()) };
        let is_last = !page.more || page.items.is_empty();
        items.extend(page.items);
        if is_last {
            return Ok(items);
        }
    }
}

/// The item of this name, if there is one.
pub(crate) fn one(client: &mut Client, sort: Sort, name: &str) -> Outcome<Option<Item>> {
    // The first that begins so: the shortest name stands in front.
    let query = ItemsQuery { category: Some(sort.category().to_owned()), prefix: name.to_owned(), after: None };
    let Reply::Items(page) = client.ask(Request::Items(query))? else { return Err(unexpected()) };
    Ok(page.items.into_iter().next().filter(|item| item.key == name))
}

/// The item of this name, or the words to say that there is none.
pub(super) fn there(client: &mut Client, sort: Sort, name: &str) -> Outcome<Item> {
    one(client, sort, name)?.ok_or_else(|| missing(sort, name))
}

pub(super) fn missing(sort: Sort, name: &str) -> Failure {
    let message = format!("there is no {} {}", sort.in_words(), visible::line(name.as_bytes()));
    Failure::new(exit::FAILURE, message).hint(format!("see which there are: caro {} list", sort.category()))
}

/// A new value for an item.
pub(super) fn new_value(sort: Sort, name: &str, value: Vec<u8>) -> ItemChange {
    ItemChange { category: sort.category().to_owned(), key: name.to_owned(), value: Some(value.into()) }
}

/// No value any more.
pub(super) fn no_value(sort: Sort, name: &str) -> ItemChange {
    ItemChange { category: sort.category().to_owned(), key: name.to_owned(), value: None }
}

/// Has the daemon change items, and says what a person should know of it.
pub(crate) fn change(client: &mut Client, change: ItemsChange) -> Outcome<ItemsChanged> {
    let Reply::ItemsChanged(changed) = client.ask(Request::ItemsChange(change))? else { return Err(unexpected()) };
    for key in &changed.secrets {
        let whom = if changed.joined { "goes to your other machines sealed, and stands" } else { "stands" };
        say(&format!(
            "caution: what {} holds looks like a secret; it {whom} in clear in the files of whoever uses it",
            visible::line(key.as_bytes())
        ));
    }
    Ok(changed)
}

/// Changes some, where one that is there may be replaced.
pub(super) fn change_some(client: &mut Client, changes: Vec<ItemChange>) -> Outcome<ItemsChanged> {
    change(client, ItemsChange { changes, ..ItemsChange::default() })
}

/// Takes items away. Names that are none are said, and are a failure at the end.
pub(super) fn take_away(client: &mut Client, sort: Sort, names: &[String]) -> Outcome {
    let mut changes = Vec::new();
    let mut lacking = None;
    for name in names {
        match one(client, sort, name)? {
            Some(_) => changes.push(no_value(sort, name)),
            None => {
                let failure = missing(sort, name);
                // One name is told as the reason of the failure, several each by itself.
                lacking = match names {
                    [_] => Some(failure),
                    _ => {
                        say(&failure.message);
                        Some(Failure::silent(exit::FAILURE))
                    }
                };
            }
        }
    }
    if !changes.is_empty() {
        change_some(client, changes)?;
    }
    lacking.map_or(Ok(()), Err)
}

/// Gives an item another name. Nothing of that name may be there.
pub(super) fn rename(client: &mut Client, sort: Sort, from: &str, to: &str) -> Outcome {
    let item = there(client, sort, from)?;
    if from == to {
        return Err(Failure::new(exit::DATA, format!("{} is called that already", visible::line(from.as_bytes()))));
    }
    let changes = vec![new_value(sort, to, item.value.into_vec()), no_value(sort, from)];
    change(client, ItemsChange { changes, only_new: true, ..ItemsChange::default() }).map(drop)
}

/// What is to be known of a change that shells read at their start.
pub(super) fn say_when(changed: &ItemsChanged) {
    if changed.changed > 0 {
        say("in force in every shell that starts from now on");
    }
}
