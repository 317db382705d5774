//! Settings, items and counts: told in pages, changed all at once or not at all unless it is asked for otherwise. What may be kept is
//! `caro_schema::items`; what looks like a secret is kept, and said.

use caro_core::{
    device::{Account, HourOf},
    shared::Entry,
};
use caro_schema::{
    body::shared::{Count, Set},
    id::DeviceId,
    ipc::{
        Fault, Reply,
        items::{CountOf, Counts, Item, ItemChange, ItemUnfit, Items, ItemsChange, ItemsChanged, ItemsQuery},
    },
    items::{ITEMS_BYTES_MAX, ITEMS_MAX, Sort},
    uses,
};

use crate::{
    filter::{phrase, secrets},
    state::State,
};

impl State {
    /// What has to be there before anything is shared or counted, and the files as they should be.
    pub(crate) fn begin_sharing(&mut self) {
        if let Err(fault) = self.decide(|device, _, env| Ok((device.name_home(env)?, ()))) {
            tracing::warn!(%fault, "this home has no name yet; nothing is counted until it has");
        }
        self.count_as_configured();
        self.write_shared_files();
    }

    /// Counts uses, or does not, as the settings say.
    pub(crate) fn count_as_configured(&mut self) {
        if self.config.counts_uses != self.device.is_counting() {
            self.device.count_uses(self.config.counts_uses.then(|| Box::new(local_hour) as HourOf));
        }
    }
}

/// The hour of the day on this machine.
fn local_hour(us: i64) -> Option<u8> {
    let time = jiff::Timestamp::from_microsecond(us).ok()?;
    u8::try_from(time.to_zoned(jiff::tz::TimeZone::system()).hour()).ok()
}

/// Bytes of one page, so that it fits into a message. The first item always does.
const PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Changes of one request. More come in several.
const CHANGES_MAX: usize = 10_000;

/// What has a value.
pub(crate) fn list(state: &State, query: &ItemsQuery) -> Reply {
    let account = state.device.account();
    let mut page = Items { joined: account.is_some(), ..Items::default() };
    let mut bytes = 0;
    let after = query.after.as_ref().map(|(category, key)| (category.as_str(), key.as_str()));
    let is_asked = |entry: &Entry<'_>| {
        query.category.as_deref().is_none_or(|category| category == entry.category)
            && entry.key.starts_with(&query.prefix)
    };
    for entry in state.device.shared().entries_after(after).filter(is_asked) {
        bytes += entry.key.len() + entry.value.len();
        if bytes > PAGE_BYTES_MAX && !page.items.is_empty() {
            page.more = true;
            break;
        }
        page.items.push(Item {
            category: entry.category.to_owned(),
            key: entry.key.to_owned(),
            value: entry.value.to_vec().into(),
            changed_ms: entry.origin.stamp.ms(),
            device: account.map(|account| account.name_of(&entry.origin.author)).unwrap_or_default(),
        });
    }
    Reply::Items(page)
}

/// Gives new values, or takes them away. What cannot be kept keeps back all others, or is named and left out.
pub(crate) fn change(state: &mut State, change: ItemsChange) -> Result<Reply, Fault> {
    let ItemsChange { changes, only_new, keep_known, leave_unfit } = change;
    if changes.len() > CHANGES_MAX {
        return Err(Fault::ItemsFull { reason: format!("{CHANGES_MAX} changes at once") });
    }
    let shared = state.device.shared();
    let mut outcome = ItemsChanged { joined: state.device.account().is_some(), ..ItemsChanged::default() };
    let mut sets = Vec::new();
    let mut size = shared.size();
    for ItemChange { category, key, value } in changes {
        if let Err(fault) = check(&category, &key, value.as_deref().map(|value| &value[..])) {
            outcome.unfit.push(left_out(fault, (&category, &key), leave_unfit)?);
            continue;
        }
        let known = shared.get(&category, &key);
        if known == value.as_deref().map(|value| &value[..]) {
            outcome.same += 1;
            continue;
        }
        if known.is_some() && value.is_some() && only_new {
            return Err(Fault::ItemKnown { category, key });
        }
        if known.is_some() && keep_known {
            outcome.kept += 1;
            continue;
        }
        let is_secret = value.as_deref().is_some_and(|value| is_secret(&key, value));
        let set = Set { category, key, value };
        match room_after(size, &set, known) {
            Ok(after) => size = after,
            Err(fault) => {
                outcome.unfit.push(left_out(fault, (&set.category, &set.key), leave_unfit)?);
                continue;
            }
        }
        outcome.secrets.extend(is_secret.then(|| set.key.clone()));
        sets.push(set);
    }
    outcome.changed = sets.len() as u64;
    if !sets.is_empty() {
        state.decide(|device, _, env| Ok((device.set_all(sets, env)?, ())))?;
    }
    Ok(Reply::ItemsChanged(outcome))
}

/// Whether it can be kept. What this version does not know is only to have a size.
fn check(category: &str, key: &str, value: Option<&[u8]>) -> Result<(), Fault> {
    let unfit = |reason: String| Fault::ItemUnfit { category: category.to_owned(), key: key.to_owned(), reason };
    // Taking away must be possible whatever another version has put there.
    if let (Some(sort), Some(value)) = (Sort::of(category), value) {
        sort.check(key, value).map_err(|why| unfit(why.to_string()))?;
    }
    let value = value.map(|value| value.to_vec().into());
    let set = Set { category: category.to_owned(), key: key.to_owned(), value };
    set.check().map_err(|why| unfit(why.to_string()))
}

/// What is said of an item that is left out, where that is wanted.
fn left_out(fault: Fault, (category, key): (&str, &str), is_wanted: bool) -> Result<ItemUnfit, Fault> {
    let reason = match &fault {
        Fault::ItemUnfit { reason, .. } => reason.clone(),
        Fault::ItemsFull { reason } => format!("no room for it: {reason}"),
        _ => return Err(fault),
    };
    if !is_wanted {
        return Err(fault);
    }
    Ok(ItemUnfit { category: category.to_owned(), key: key.to_owned(), reason })
}

/// How many items and bytes there are after a change, if there is room for it. What the other devices have written is not
/// refused: all must come to the same. What makes it less is never refused.
fn room_after(now: (usize, usize), set: &Set, known: Option<&[u8]>) -> Result<(usize, usize), Fault> {
    let size =
        |value: Option<&[u8]>| value.map_or((0, 0), |value| (1, set.category.len() + set.key.len() + value.len()));
    let (before, after) = (size(known), size(set.value.as_deref().map(|value| &value[..])));
    let (count, bytes) = (now.0.saturating_sub(before.0) + after.0, now.1.saturating_sub(before.1) + after.1);
    if count > ITEMS_MAX && after.0 > before.0 {
        return Err(Fault::ItemsFull { reason: format!("the limit is {ITEMS_MAX} items") });
    }
    if bytes > ITEMS_BYTES_MAX && after.1 > before.1 {
        return Err(Fault::ItemsFull { reason: format!("the limit is {ITEMS_BYTES_MAX} bytes of them together") });
    }
    Ok((count, bytes))
}

/// Whether a value looks like a secret, by itself or under its name.
fn is_secret(key: &str, value: &[u8]) -> bool {
    let named = [b"export ", key.as_bytes(), b"=", value].concat();
    secrets::first(value).is_some() || secrets::first(&named).is_some() || phrase::carries_phrase(value)
}

/// What all devices have counted.
pub(crate) fn counts(state: &State) -> Reply {
    let account = state.device.account();
    let name = |device: &DeviceId| account.map(|account: &Account| account.name_of(device)).unwrap_or_default();
    let counted = state.device.shared().counts();
    let of = |((key, device), total): ((&str, DeviceId), u64)| CountOf {
        key: key.to_owned(),
        device: device.hex(),
        name: name(&device),
        total,
    };
    Reply::Counts(Counts {
        counts: counted.into_iter().map(of).collect(),
        own: state.device.own_id().map(|own| own.hex()).unwrap_or_default(),
        joined: account.is_some(),
        counting: state.device.is_counting(),
    })
}

/// Takes in what devices have counted.
pub(crate) fn take_counts(state: &mut State, counts: Vec<CountOf>) -> Result<Reply, Fault> {
    if counts.len() > CHANGES_MAX {
        return Err(Fault::ItemsFull { reason: format!("{CHANGES_MAX} counts at once") });
    }
    let said = |count: CountOf| {
        let device = DeviceId::from_hex(&count.device).ok_or(Fault::Malformed)?;
        Ok(Count { key: uses::of_device(&count.key, &device), total: count.total })
    };
    let counts: Vec<Count> = counts.into_iter().map(said).collect::<Result<_, Fault>>()?;
    let news = state.decide(|device, _, env| device.take_counts(counts, env))?;
    Ok(Reply::Count(news))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_with_the_limit() {
        let set = |bytes: usize| Set { category: "kv".into(), key: "k".into(), value: Some(vec![0; bytes].into()) };
        assert_eq!(room_after((ITEMS_MAX - 1, 0), &set(1), None), Ok((ITEMS_MAX, 4)));
        assert!(matches!(room_after((ITEMS_MAX, 0), &set(1), None), Err(Fault::ItemsFull { .. })));
        assert!(matches!(room_after((1, ITEMS_BYTES_MAX), &set(1), None), Err(Fault::ItemsFull { .. })));
        let full = (ITEMS_MAX, ITEMS_BYTES_MAX);
        assert_eq!(room_after(full, &set(7), Some(&[0; 7])), Ok(full), "another value in the place of one");
        assert!(matches!(room_after(full, &set(8), Some(&[0; 7])), Err(Fault::ItemsFull { .. })));
        let (away, over) = (Set { value: None, ..set(0) }, (ITEMS_MAX + 5, ITEMS_BYTES_MAX + 5));
        let less = (ITEMS_MAX + 4, ITEMS_BYTES_MAX + 1);
        assert_eq!(room_after(over, &away, Some(&[0])), Ok(less), "what is full can be emptied");
    }

    #[test]
    fn what_may_be_kept_is_checked_and_anything_may_be_taken_away() {
        assert!(check("alias", "a b", Some(b"x")).is_err());
        assert_eq!(check("alias", "a b", None), Ok(()));
        assert_eq!(check("tomorrow", "a b", Some(b"\0")), Ok(()));
        assert!(check(&"c".repeat(33), "k", Some(b"x")).is_err());
    }

    #[test]
    fn a_value_is_a_secret_by_itself_or_under_its_name() {
        assert!(is_secret("TOKEN", b"ghp_0123456789abcdefghijABCDEFGHIJ456789"));
        assert!(is_secret("DB_PASSWORD", b"x8Kq2!vR9z"));
        assert!(!is_secret("EDITOR", b"vim -u NONE"));
        assert!(!is_secret("ll", b"ls -l --color=auto"));
    }
}
