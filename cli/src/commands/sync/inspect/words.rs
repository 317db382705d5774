//! What a relay knows, for a person: sums first, then single cells, then what no number says.

use caro_schema::{
    cell::CELL_HEAD_BYTES,
    ipc::inspecting::{Difference, Holds, LogEntry, Shown},
    relay::list::DeviceList,
};

use super::{
    Listed, Seen, Sums,
    knows::{CANNOT, KNOWS},
};
use crate::{
    error::Outcome,
    output::{Out, counted, visible},
};

pub(super) fn relay(out: &mut Out, seen: &Seen, whole: bool) -> Outcome {
    for line in lines(seen) {
        out.line(&line)?;
    }
    if !seen.window.is_empty() {
        out.line("  cells, of which the relay knows all but the word in brackets:")?;
    }
    for entry in &seen.window {
        for line in entry_lines(entry, whole) {
            out.line(&line)?;
        }
    }
    out.line("")
}

pub(super) fn knows(out: &mut Out) -> Outcome {
    out.line("what any relay knows (docs/security.md):")?;
    for knows in KNOWS {
        let kept = if knows.columns.is_empty() { "not kept" } else { "kept" };
        out.line(&format!("  {kept:<8}  {}", knows.what.replace('`', "")))?;
    }
    out.line("what no relay can see:")?;
    for cannot in CANNOT {
        out.line(&format!("  {cannot}"))?;
    }
    Ok(())
}

fn lines(seen: &Seen) -> Vec<String> {
    let Seen { address, known, shown, failure, sums, window: _, differences } = seen;
    let mut lines = vec![format!("relay {}", visible::line(address.as_bytes()))];
    match (shown, failure) {
        (Some(shown), failure) => {
            lines.extend(held(shown, sums));
            lines.extend(failure.as_ref().map(|fault| {
                let why = visible::line(fault.to_string().as_bytes());
                format!("  broke off after {} places ({why}); the sums are of these", sums.entries)
            }));
        }
        (None, Some(fault)) => {
            let why = visible::line(fault.to_string().as_bytes());
            lines.push(format!("  not asked ({why}); what follows is what this device remembers"));
        }
        (None, None) => lines.push("  not asked; what follows is what this device remembers".to_owned()),
    }
    lines.extend(names(seen));
    lines.push(format!("  from this device: {}", given(seen)));
    let others = counted(u64::from(known.others_online), "other device");
    lines.push(format!("  connected when it last said so: {others}"));
    lines.extend(differences.iter().map(|difference| format!("  DIFFERS: {}", differs(difference))));
    if let Some(shown) = shown {
        if sums.bytes > shown.used_bytes && !shown.more {
            lines.push(format!("  DIFFERS: it counts {} bytes and shows {}", shown.used_bytes, sums.bytes));
        }
        if differences.is_empty() && failure.is_none() {
            lines.push("  nothing differs from what this device remembers".to_owned());
        }
    }
    lines
}

/// What the relay showed, in sums.
fn held(shown: &Shown, sums: &Sums) -> Vec<String> {
    let Sums { entries, cells, bytes, sizes, keys, holds } = sums;
    let of = |count: u64, what: String| format!("{count} {what}");
    let join = |parts: Vec<String>| if parts.is_empty() { "none".to_owned() } else { parts.join(", ") };
    let sizes = join(sizes.iter().map(|(size, count)| of(*count, format!("of {size}"))).collect());
    let keys = join(keys.iter().map(|(key, count)| of(*count, format!("under {}", key.hex()))).collect());
    let holds = join(holds.iter().map(|(holds, count)| of(*count, word(*holds).to_owned())).collect());
    let room = if shown.quota_bytes == 0 { "no limit".to_owned() } else { format!("{} at most", shown.quota_bytes) };
    let mode = if shown.forgets { "; it forgets cells by itself (mailbox mode)" } else { "" };
    vec![
        format!("  asked just now, from {}", visible::line(shown.from.as_bytes())),
        format!(
            "  holds {cells} cells with {bytes} bytes in {entries} places of the log, {} gone{mode}",
            entries - cells
        ),
        format!("  sizes: {sizes} bytes"),
        format!("  keys: {keys}"),
        format!("  what they hold, which the relay cannot tell: {holds}"),
        format!("  counts {} bytes for the account, {room}", shown.used_bytes),
    ]
}

fn names(seen: &Seen) -> Vec<String> {
    let Seen { known, shown, .. } = seen;
    let position = shown.as_ref().map(|shown| &shown.position);
    let (cursor, head) = position.map_or((known.cursor, known.head), |position| (position.cursor, position.head));
    let life = position.map(|position| position.generation).or(known.generation);
    let mut lines = vec![
        format!("  account {}, public key {}", known.handle.hex(), known.account.hex()),
        format!("  log ends at {cursor}, head {}", head.hex()),
        format!("  life of its database {}", life.map_or("not known yet".to_owned(), |life| life.hex())),
    ];
    let version = seen.list().and_then(|list| DeviceList::decode(&list.list).ok()).map_or(0, |list| list.version);
    let listed = seen.listed();
    lines.push(format!("  device list {version}, {}:", counted(listed.len() as u64, "key")));
    lines.extend(listed.iter().map(device));
    let off = seen.taken_off();
    if !off.is_empty() {
        lines.push("  taken off:".to_owned());
    }
    lines.extend(off.iter().map(device));
    lines
}

fn device(device: &Listed<'_>) -> String {
    let Listed { key, by, name, this } = device;
    let by = by.map(|by| format!(", let in by {}", by.hex())).unwrap_or_default();
    let name = match (this, name) {
        (true, _) => "this device".to_owned(),
        (false, Some(name)) => format!("\"{}\"", visible::line(name.as_bytes())),
        (false, None) => "whose is not said yet".to_owned(),
    };
    format!("    {}{by} [{name}]", key.hex())
}

fn given(seen: &Seen) -> String {
    let known = &seen.known;
    let purging = if known.purging { ", some cells are still to be purged" } else { "" };
    format!(
        "it has confirmed up to {}, the relay acknowledged up to {}, {} wait to be sent{purging}",
        known.cursor, known.acknowledged, known.queued
    )
}

fn entry_lines(entry: &LogEntry, whole: bool) -> Vec<String> {
    let LogEntry { cursor, cell, head, size, bytes, holds } = entry;
    let mut lines = vec![
        format!("    {cursor}  {size} bytes  id {} [{}]", cell.hex(), word(*holds)),
        format!("      chain {}", head.hex()),
    ];
    let part = |from: usize, to: usize| hex::encode(bytes.get(from..to).unwrap_or_default());
    if bytes.len() >= CELL_HEAD_BYTES {
        let (key, nonce, commit) = (part(2, 10), part(10, 34), part(34, CELL_HEAD_BYTES));
        lines.push(format!("      version {} suite {} key {key} nonce {nonce}", bytes[0], bytes[1]));
        lines.push(format!("      commitment {commit}"));
    }
    if whole {
        lines.extend(bytes.chunks(32).map(|chunk| format!("      {}", hex::encode(chunk))));
    }
    lines
}

fn word(holds: Holds) -> &'static str {
    match holds {
        Holds::Op => "changes",
        Holds::KeyLog => "keys of the account",
        Holds::Snapshot => "part of a snapshot",
        Holds::Attest => "what a device has seen",
        Holds::Gone => "gone",
        Holds::Unknown => "opened by no key of this device",
    }
}

fn differs(difference: &Difference) -> String {
    match difference {
        Difference::OtherLife => "its database began a new life since this device was there last".to_owned(),
        Difference::Shorter { shown, known } => {
            format!("its log ends at {shown}, and this device knows that it went to {known}")
        }
        Difference::OtherPast { cursor } => format!("its log has another past than it showed before, seen at {cursor}"),
        Difference::Broken { cursor } => format!("what comes after {cursor} does not follow, or is not signed"),
        Difference::OtherSigner => "it signs with another key than before".to_owned(),
        Difference::ListUnsigned => "its device list is not signed by the account".to_owned(),
        Difference::ListOlder => "its device list is older than the one that it showed before".to_owned(),
        Difference::NotListed => "this device is not on its list".to_owned(),
    }
}
