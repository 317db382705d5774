//! What a daemon can check of itself and its surroundings, each as one finding with advice.
//!
//! Words here are for a person: what was found, then what to do. Nothing from history is in them.

use std::{fs, os::unix::fs::MetadataExt, path::Path};

use caro_schema::ipc::{
    status::{Doctor, Finding, Level, Recording, Withheld},
    sync::{RemoteState, RemoteStatus},
};

use super::status::{database_bytes, shown};
use crate::{clock::Moment, ipc::BUILD, keys, logging::LOG_BYTES_MAX, state::State, store::network_file_system};

/// Checks everything that the daemon can see.
pub(crate) fn examine(state: &mut State, verify: bool) -> Doctor {
    // What was saved a moment ago, and not what was read before that.
    state.renew_config(false);
    let state = &*state;
    let mut findings = vec![
        daemon(state),
        database(state, verify),
        writing(state),
        key(state),
        spool(state),
        watching(state),
        socket(state),
        clock(Moment::now()),
    ];
    findings.extend(copies(state));
    findings.extend(times(state, Moment::now()));
    findings.extend(folders(state));
    findings.extend(configuration(state));
    findings.extend(recording(state));
    findings.extend(syncing(state));
    findings.extend(ops(state, verify));
    findings.extend(two_logs(state));
    findings.push(space("disk space for the database", &state.places.data));
    if state.places.data != state.places.state {
        findings.push(space("disk space for the spool", &state.places.state));
    }
    findings.push(file_system(&state.places.data));
    findings.push(log(&state.places.log()));
    Doctor { findings }
}

fn finding(check: &str, level: Level, found: impl Into<String>, advice: impl Into<String>) -> Finding {
    Finding { check: check.to_owned(), level, found: found.into(), advice: advice.into() }
}

fn good(check: &str, found: impl Into<String>) -> Finding {
    finding(check, Level::Good, found, "")
}

fn daemon(state: &State) -> Finding {
    let history = state.shared.history();
    let read = if state.is_loaded() { "" } else { ", older ones are still being read" };
    good("daemon", format!("version {BUILD} runs; {} commands, {} different{read}", history.len(), history.distinct()))
}

/// One finding for each relay, or one that there is none.
fn syncing(state: &State) -> Vec<Finding> {
    const CHECK: &str = "sync";
    let status = state.sync_status();
    if !status.joined {
        return vec![good(CHECK, "in no account; history stays on this machine")];
    }
    if !status.enabled {
        return vec![finding(CHECK, Level::Notice, "the network is off", "switch it on: caro sync on")];
    }
    if status.remotes.is_empty() {
        let found = "this device uses no relay: nothing leaves it, and nothing comes";
        return vec![finding(CHECK, Level::Notice, found, "add one: caro sync remote add ADDRESS")];
    }
    status.remotes.iter().map(|remote| relay(CHECK, remote)).collect()
}

/// The account's ops, each against its author's signature and place.
fn ops(state: &State, verify: bool) -> Option<Finding> {
    const CHECK: &str = "account's log";
    state.device.account().filter(|_| verify)?;
    let found = match state.device.verify(state.applier.store()) {
        Ok(found) => found,
        Err(error) => return Some(finding(CHECK, Level::Bad, error.to_string(), RESTORE)),
    };
    let beside = match found.beside {
        0 => String::new(),
        count => format!(", {count} of a copied home beside them"),
    };
    let looked = format!("{} ops and {} parts of snapshots{beside}, {} wait", found.ops, found.parts, found.waiting);
    if found.wrong_total == 0 {
        return Some(good(CHECK, format!("{looked}; each is what its author signed")));
    }
    let named: Vec<String> = found.wrong.iter().map(ToString::to_string).collect();
    let what = format!("{looked}; {} are not as they should be: {}", found.wrong_total, named.join("; "));
    Some(finding(CHECK, Level::Bad, what, RESTORE))
}

/// Proofs that a relay showed two devices two logs, as they can be checked by anyone who knows the relay's key.
fn two_logs(state: &State) -> Vec<Finding> {
    let evidence = state.device.account().map(|account| account.evidence()).unwrap_or_default();
    let told = |proof: &caro_core::device::Evidence| {
        let place = |position: &caro_schema::relay::Position| {
            format!(
                "generation {} cursor {} head {} signature {}",
                position.generation.hex(),
                position.cursor,
                position.head.hex(),
                position.signature.hex()
            )
        };
        let found = format!(
            "a relay signed two different logs: here {}; elsewhere {}",
            place(&proof.here),
            place(&proof.there)
        );
        finding("relay's honesty", Level::Bad, found, "do not use this relay; add another: caro sync remote add")
    };
    evidence.iter().map(told).collect()
}

fn relay(check: &str, remote: &RemoteStatus) -> Finding {
    let waits = remote.pending_up;
    match &remote.state {
        RemoteState::Connected | RemoteState::Off => good(check, format!("connected to {}", remote.address)),
        RemoteState::Connecting => good(check, format!("connecting to {}", remote.address)),
        RemoteState::Waiting { reason, .. } => finding(
            check,
            Level::Notice,
            format!("not connected to {}: {reason}; {waits} to send", remote.address),
            "nothing is lost; look at the network and at the relay",
        ),
        RemoteState::Stopped { .. } => finding(
            check,
            Level::Bad,
            format!("syncing with {} has stopped; {waits} to send", remote.address),
            "caro sync status says why and what to do",
        ),
    }
}

/// What to do with a database that is not whole.
const RESTORE: &str = "keep a copy of the data folder, then bring it back from a backup, or move it away and join again: caro sync restore";

fn database(state: &State, verify: bool) -> Finding {
    const CHECK: &str = "database";
    let store = state.applier.store();
    let path = state.places.database();
    let size = size(database_bytes(&path));
    let left_out = store.left_out();
    if !verify {
        if left_out > 0 {
            let found = format!("{}, {size}; {left_out} rows are damaged and were left out", shown(&path));
            return finding(CHECK, Level::Bad, found, RESTORE);
        }
        return good(CHECK, format!("{}, {size}", shown(&path)));
    }
    match store.verify() {
        Ok(problems) if problems.is_empty() => good(CHECK, format!("{}, {size}; every row is whole", shown(&path))),
        Ok(problems) => finding(CHECK, Level::Bad, problems.join("; "), RESTORE),
        Err(error) => finding(CHECK, Level::Bad, error.to_string(), error.advice()),
    }
}

/// Copies that were made when the layout changed, if there are any.
fn copies(state: &State) -> Option<Finding> {
    let copies = state.applier.store().copies();
    let newest = copies.last()?;
    let bytes: u64 = copies.iter().filter_map(|copy| fs::metadata(copy).ok()).map(|meta| meta.len()).sum();
    let found = format!("{} from before an upgrade, {}: {}", copies.len(), size(bytes), shown(newest));
    let advice = "they go with the next deletion; remove them when you will not go back to the older version";
    Some(finding("copies of the database", Level::Notice, found, advice))
}

fn writing(state: &State) -> Finding {
    const CHECK: &str = "writing";
    match state.applier.stuck_reason() {
        None => good(CHECK, "commands are written as they come"),
        Some(reason) => finding(
            CHECK,
            Level::Bad,
            format!("writing fails: {reason}; nothing is lost, it is tried again every few seconds"),
            state.applier.stuck_advice(),
        ),
    }
}

fn key(state: &State) -> Finding {
    let (found, advice) = state.key_place.in_words();
    if advice.is_empty() {
        return good("key", found);
    }
    // One that came after the key was made: it is not moved without being asked for.
    if keys::is_store_there_by_now() {
        let found = format!("{found}; by now a secure store runs here");
        return finding("key", Level::Notice, found, "move the key there: caro key move keychain");
    }
    finding("key", Level::Notice, found, advice)
}

fn spool(state: &State) -> Finding {
    const CHECK: &str = "spool";
    let folder = state.spool.folder();
    let meta = match fs::metadata(folder) {
        Ok(meta) => meta,
        Err(error) => {
            return finding(CHECK, Level::Bad, format!("{}: {error}", shown(folder)), "check who owns its parents");
        }
    };
    if meta.mode() & 0o077 != 0 || meta.uid() != rustix::process::geteuid().as_raw() {
        let advice = format!("close it: chmod 700 {}", shown(folder));
        return finding(CHECK, Level::Bad, format!("others may enter {}", shown(folder)), advice);
    }
    let counts = state.spool.counts();
    // A shell whose file was taken in whole has none until its next command.
    let shells = state.spool.sessions().max(counts.files as usize);
    let mut found = format!("{}, {shells} shell{}", shown(folder), if shells == 1 { "" } else { "s" });
    if counts.unread_bytes > 0 {
        found += &format!(", {} not taken in yet", size(counts.unread_bytes));
    }
    if counts.passed_over > 0 {
        found += &format!(", {} records above the size limit were passed over", counts.passed_over);
        return finding(CHECK, Level::Notice, found, "put text of that size into a file");
    }
    if counts.strangers > 0 {
        let advice = "remove what is not a spool file from that folder";
        return finding(CHECK, Level::Notice, format!("{found}, {} other files", counts.strangers), advice);
    }
    if shells == 0 {
        let advice = "if shells are open, add the hook to their start file: caro init --help";
        return finding(CHECK, Level::Notice, format!("{}, no shell records", shown(folder)), advice);
    }
    good(CHECK, found)
}

fn watching(state: &State) -> Finding {
    const CHECK: &str = "noticing commands";
    if state.watch.is_live() {
        return good(CHECK, "the system tells when a shell has written");
    }
    let advice = "raise the limit: sysctl fs.inotify.max_user_watches fs.inotify.max_user_instances";
    finding(CHECK, Level::Notice, "the system does not tell; the spool is read twice a second", advice)
}

fn socket(state: &State) -> Finding {
    const CHECK: &str = "socket";
    let path = &state.socket;
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.mode() & 0o077 == 0 => good(CHECK, shown(path)),
        Ok(_) => {
            let advice = "the folder keeps others out; restart to close the socket too: caro daemon restart";
            finding(CHECK, Level::Notice, format!("{} is open to others", shown(path)), advice)
        }
        Err(error) => finding(CHECK, Level::Bad, format!("{}: {error}", shown(path)), "caro daemon restart"),
    }
}

/// No clock was right before this program was written: 1 January 2026.
const CLOCK_MIN_US: i64 = 1_767_225_600_000_000;

fn clock(moment: Moment) -> Finding {
    const CHECK: &str = "clock";
    let latest_us = i64::try_from(caro_schema::limits::STAMP_MS_MAX).unwrap_or(i64::MAX).saturating_mul(1000);
    if (CLOCK_MIN_US..latest_us).contains(&moment.now_us) {
        return good(CHECK, "plausible");
    }
    let advice = "set the system's clock; commands show the time that it says";
    finding(CHECK, Level::Bad, "the system's clock is far off", advice)
}

fn configuration(state: &State) -> Vec<Finding> {
    const CHECK: &str = "configuration";
    let (file, path) = (&state.config_file, shown(&state.places.config));
    let mut findings: Vec<Finding> = file
        .problems
        .iter()
        .map(|problem| {
            let advice = match problem.instead.as_str() {
                "" => "look at it: caro config edit".to_owned(),
                instead => format!("it may be: {instead}; look at it: caro config edit"),
            };
            let in_force = if file.is_broken { "; what it said before is still in force" } else { "" };
            let level = if file.is_broken { Level::Bad } else { Level::Notice };
            finding(CHECK, level, format!("{}{in_force}", problem.what), advice)
        })
        .collect();
    if !file.waiting.is_empty() {
        let found = format!("not in force yet: {}", file.waiting.join(", "));
        findings.push(finding(CHECK, Level::Notice, found, "caro daemon restart"));
    }
    if let Some(meta) = fs::metadata(&state.places.config).ok().filter(|meta| meta.mode() & 0o022 != 0) {
        let found = format!("others may change {path} (mode {:o})", meta.mode() & 0o777);
        findings.push(finding(CHECK, Level::Notice, found, format!("close it: chmod 600 {path}")));
    }
    if findings.is_empty() {
        let found = if state.places.config.exists() { path } else { format!("{path} is not there; defaults apply") };
        findings.push(good(CHECK, found));
    }
    findings
}

/// Whether commands are recorded, and how many were not.
fn recording(state: &State) -> Vec<Finding> {
    const CHECK: &str = "recording";
    let Recording { paused, withheld } = super::recording::recording(state);
    let mut findings = Vec::new();
    if paused.iter().any(|paused| paused.session.is_none()) {
        findings.push(finding(CHECK, Level::Notice, "paused for everything on this machine", "go on: caro resume"));
    }
    let sessions = paused.iter().filter(|paused| paused.session.is_some()).count();
    if sessions > 0 {
        let found = format!("paused in {sessions} shell{}", if sessions == 1 { "" } else { "s" });
        findings.push(finding(CHECK, Level::Notice, found, "each goes on with: caro resume --session"));
    }
    let counts = withheld_in_words(&withheld);
    findings.push(good(CHECK, if counts.is_empty() { "every command was recorded".to_owned() } else { counts }));
    findings
}

/// How many commands were not recorded as they were typed, by why; empty when all were.
fn withheld_in_words(withheld: &Withheld) -> String {
    let Withheld { since_us: _, secrets, masked, phrases, commands, directories, spaces, paused } = *withheld;
    let parts = [
        (secrets, "held a secret"),
        (phrases, "carried a recovery phrase"),
        (commands, "matched record.ignore_commands"),
        (directories, "ran in record.ignore_directories"),
        (spaces, "began with a blank"),
        (paused, "ran while recording was paused"),
    ];
    let said: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, why)| format!("{count} {why}")).collect();
    let masked = (masked > 0).then(|| format!("{masked} were masked"));
    let refused = (!said.is_empty()).then(|| format!("not recorded: {}", said.join(", ")));
    refused.into_iter().chain(masked).collect::<Vec<_>>().join("; ")
}

/// The folders of the database and of the log: others may not enter them.
fn folders(state: &State) -> Vec<Finding> {
    let folders = [("data folder", &state.places.data), ("state folder", &state.places.state)];
    let open = |(check, folder): (&str, &std::path::PathBuf)| {
        let meta = fs::metadata(folder).ok()?;
        let own = rustix::process::geteuid().as_raw();
        if meta.uid() != own {
            let found = format!("{} belongs to another user", shown(folder));
            return Some(finding(
                check,
                Level::Bad,
                found,
                "give it back: chown; most often sudo was used with your HOME",
            ));
        }
        // The state folder holds the spool and the log, which are closed themselves.
        let open_to_write = meta.mode() & 0o022 != 0 || (check == "data folder" && meta.mode() & 0o077 != 0);
        let advice = format!("close it: chmod 700 {}", shown(folder));
        open_to_write.then(|| finding(check, Level::Notice, format!("{} is open to others", shown(folder)), advice))
    };
    folders.into_iter().filter_map(open).collect()
}

/// Commands that are said to begin in time to come: the clock was ahead, or is behind now.
fn times(state: &State, moment: Moment) -> Option<Finding> {
    let newest_us = state.shared.history().starts().map(|(start_us, _)| start_us).max()?;
    let ahead_us = newest_us.saturating_sub(moment.now_us);
    if ahead_us < AHEAD_MIN_US {
        return None;
    }
    let found = format!("the newest command began {} hours from now", ahead_us / 3_600_000_000);
    Some(finding("times", Level::Notice, found, "look at the clock of this machine and of those it syncs with"))
}

/// Clocks of machines differ by less.
const AHEAD_MIN_US: i64 = 3_600_000_000;

/// Below this a disk counts as nearly full.
const SPACE_LOW_BYTES: u64 = 200 * 1024 * 1024;

/// Below this it counts as full: a checkpoint of the database may not fit.
const SPACE_NONE_BYTES: u64 = 10 * 1024 * 1024;

fn space(check: &str, folder: &Path) -> Finding {
    match fs4::available_space(folder) {
        Ok(free) if free < SPACE_NONE_BYTES => finding(check, Level::Bad, format!("{} free", size(free)), "make room"),
        Ok(free) if free < SPACE_LOW_BYTES => {
            finding(check, Level::Notice, format!("{} free", size(free)), "make room")
        }
        Ok(free) => good(check, format!("{} free", size(free))),
        Err(error) => finding(check, Level::Notice, error.to_string(), ""),
    }
}

fn file_system(folder: &Path) -> Finding {
    const CHECK: &str = "file system";
    match network_file_system(folder) {
        Some(name) => finding(
            CHECK,
            Level::Notice,
            format!("the data folder is on a network file system ({name})"),
            "keep it on a local disk: set XDG_DATA_HOME for each machine",
        ),
        None => good(CHECK, "local"),
    }
}

fn log(path: &Path) -> Finding {
    const CHECK: &str = "log";
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.mode() & 0o077 != 0 => {
            let advice = format!("close it: chmod 600 {}", shown(path));
            finding(CHECK, Level::Notice, format!("{} is open to others", shown(path)), advice)
        }
        Ok(_) => good(CHECK, format!("{}, at most two files of {}", shown(path), size(LOG_BYTES_MAX))),
        Err(error) => finding(CHECK, Level::Notice, format!("{}: {error}", shown(path)), ""),
    }
}

fn size(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", units[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_for_people() {
        assert_eq!([size(0), size(1023), size(1536), size(3 << 30)], ["0 B", "1023 B", "1.5 KiB", "3.0 GiB"]);
    }

    #[test]
    fn ds004_what_was_withheld_is_said_by_why_and_never_what() {
        assert_eq!(withheld_in_words(&Withheld::default()), "");
        let withheld = Withheld { since_us: 5, secrets: 2, spaces: 1, masked: 3, ..Withheld::default() };
        let said = "not recorded: 2 held a secret, 1 began with a blank; 3 were masked";
        assert_eq!(withheld_in_words(&withheld), said);
    }

    #[test]
    fn a_clock_that_is_far_off_is_found() {
        let level = |now_us| clock(Moment { now_us, boot_us: None }).level;
        assert_eq!(level(0), Level::Bad);
        assert_eq!(level(CLOCK_MIN_US), Level::Good);
        assert_eq!(level(i64::MAX), Level::Bad);
    }
}
