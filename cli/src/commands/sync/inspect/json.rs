//! What a relay knows, for scripts: a line for the relay, one for each entry, one for each thing that relays know at all.

use caro_schema::{
    cell::CELL_HEAD_BYTES,
    ipc::inspecting::{Holds, LogEntry},
    relay::list::DeviceList,
};
use serde_json::{Map, Value, json};

use super::{
    Listed, Seen, code, holds_code,
    knows::{CANNOT, KNOWS, Knows},
};
use crate::{error::Outcome, output::Out};

pub(super) fn relay(out: &mut Out, seen: &Seen) -> Outcome {
    out.json(&head(seen))?;
    for entry in &seen.window {
        out.json(&self::entry(&seen.address, entry))?;
    }
    Ok(())
}

pub(super) fn knows(out: &mut Out) -> Outcome {
    for Knows { what, columns, postgres, shown } in KNOWS {
        out.json(&json!({
            "kind": "knows", "what": what, "columns": columns, "postgres": postgres, "shown": shown,
        }))?;
    }
    for what in CANNOT {
        out.json(&json!({ "kind": "cannot", "what": what }))?;
    }
    Ok(())
}

fn head(seen: &Seen) -> Value {
    let Seen { address, known, shown, failure, sums, window: _, differences } = seen;
    let list = seen.list();
    let signed = list.and_then(|list| DeviceList::decode(&list.list).ok());
    let added = list.map(|list| list.added.iter().map(|added| added.key.hex() + &added.by.hex()).collect::<String>());
    let position = shown.as_ref().map(|shown| &shown.position);
    let differences: Vec<Value> = differences
        .iter()
        .map(|difference| json!({ "code": code(difference), "is": format!("{difference:?}") }))
        .collect();
    json!({
        "kind": "relay", "address": address, "asked": shown.is_some(),
        "failure": failure.as_ref().map(ToString::to_string),
        "relay_key": known.relay_key.hex(),
        "signer": shown.as_ref().map(|shown| shown.signer).or(known.signer).map(|signer| signer.hex()),
        "generation": position.map(|position| position.generation).or(known.generation).map(|life| life.hex()),
        "account": known.account.hex(), "handle": known.handle.hex(),
        "list": list.map(|list| hex::encode(&list.list)),
        "list_signature": list.map(|list| list.signature.hex()),
        "list_version": signed.map(|list| list.version),
        "added": added,
        "devices": seen.listed().iter().map(device).collect::<Vec<_>>(),
        "taken_off": seen.taken_off().iter().map(device).collect::<Vec<_>>(),
        "cursor": position.map_or(known.cursor, |position| position.cursor),
        "head": position.map_or(known.head, |position| position.head).hex(),
        "position_signature": position.map(|position| position.signature.hex()),
        "used_bytes": shown.as_ref().map(|shown| shown.used_bytes),
        "quota_bytes": shown.as_ref().map(|shown| shown.quota_bytes),
        "forgets": shown.as_ref().map(|shown| shown.forgets),
        "from": shown.as_ref().map(|shown| &shown.from),
        "confirmed": known.cursor, "acknowledged": known.acknowledged, "queued": known.queued,
        "purging": known.purging, "others_online": known.others_online,
        "entries": sums.entries, "cells": sums.cells, "bytes": sums.bytes,
        "sizes": counts(sums.sizes.iter().map(|(size, count)| (size.to_string(), *count))),
        "keys": counts(sums.keys.iter().map(|(key, count)| (key.hex(), *count))),
        "holds": counts(sums.holds.iter().map(|(holds, count)| (holds_code(*holds).to_owned(), *count))),
        "differences": differences,
    })
}

fn counts(counts: impl Iterator<Item = (String, u64)>) -> Map<String, Value> {
    counts.map(|(name, count)| (name, count.into())).collect()
}

fn device(device: &Listed<'_>) -> Value {
    let Listed { key, by, name, this } = device;
    json!({ "key": key.hex(), "by": by.map(|by| by.hex()), "name": name, "this": this })
}

fn entry(address: &str, entry: &LogEntry) -> Value {
    let LogEntry { cursor, cell, head, size, bytes, holds } = entry;
    let part = |from: usize, to: usize| bytes.get(from..to).map(hex::encode);
    json!({
        "kind": "entry", "address": address, "cursor": cursor, "cell": cell.hex(), "head": head.hex(), "size": size,
        "version": bytes.first(), "suite": bytes.get(1), "key_id": part(2, 10), "nonce": part(10, 34),
        "commit": part(34, CELL_HEAD_BYTES), "bytes": (*holds != Holds::Gone).then(|| hex::encode(bytes)),
        "holds": holds_code(*holds),
    })
}
