//! What single programs do, by their names and arguments, and which files must not be written over.
//!
//! What files are to is here; disks, users and the network are in `machine`, what is run and kept elsewhere in `services`.
//! Quotes and wrappers are gone here. An argument that cannot be understood counts for the worse only where the rule's
//! name says so.

mod machine;
mod services;

use super::{
    judge::Found,
    rules::{self, Rule},
};

/// What writing to a file means.
pub(super) fn output(to: &str, appends: bool) -> Found {
    const HARMLESS: [&str; 8] =
        ["/dev/null", "/dev/stdout", "/dev/stderr", "/dev/tty", "/dev/full", "/dev/zero", "NUL", "$null"];
    const SYSTEM: [&str; 5] = ["/etc/passwd", "/etc/shadow", "/etc/sudoers", "/etc/fstab", "/etc/group"];
    if HARMLESS.contains(&to) || to.starts_with("/dev/fd/") || to.starts_with("/dev/pts/") {
        return None;
    }
    if is_device(to) {
        return Some(&rules::DEVICE);
    }
    if to.ends_with("authorized_keys") || to.starts_with("/etc/sudoers.d/") || (appends && SYSTEM.contains(&to)) {
        return Some(&rules::ACCESS);
    }
    if SYSTEM.contains(&to) || to.starts_with("/boot/") {
        return Some(&rules::SYSTEM_FILE);
    }
    let below = ["/etc/", "/usr/", "/bin/", "/sbin/", "/lib", "/proc/sys", "/sys/", "/System/", "/Library/"];
    if below.iter().any(|folder| to.starts_with(folder)) && !to.starts_with("/usr/local/") {
        return Some(&rules::SYSTEM_FOLDER);
    }
    (!appends).then_some(&rules::OVERWRITE)
}

fn is_device(path: &str) -> bool {
    const DISKS: [&str; 11] = ["sd", "nvme", "hd", "vd", "xvd", "mmcblk", "disk", "rdisk", "mapper/", "md", "dm-"];
    path.strip_prefix("/dev/").is_some_and(|name| DISKS.iter().any(|disk| name.starts_with(disk)))
        || matches!(path, "/dev/mem" | "/dev/kmem" | "/dev/port")
}

/// Whether this is everything: the root, a home, or a folder without which the system does not run.
fn is_everything(path: &str) -> bool {
    const FOLDERS: [&str; 22] = [
        "/", "~", "$HOME", "${HOME}", "/etc", "/usr", "/var", "/bin", "/sbin", "/lib", "/lib64", "/boot", "/home",
        "/root", "/opt", "/dev", "/proc", "/sys", "/srv", "/System", "/Library", "/Users",
    ];
    let bare = path.strip_suffix('*').unwrap_or(path);
    let bare = bare.strip_suffix('.').filter(|rest| rest.ends_with('/')).unwrap_or(bare);
    let trimmed = bare.trim_end_matches('/');
    let trimmed = if trimmed.is_empty() && bare.starts_with('/') { "/" } else { trimmed };
    let is_home = |rest: &str| !rest.is_empty() && !rest.contains('/');
    FOLDERS.contains(&trimmed)
        || ["/home/", "/Users/"].iter().any(|homes| trimmed.strip_prefix(homes).is_some_and(is_home))
        || trimmed.strip_prefix('~').is_some_and(|name| is_home(name) && !name.contains(['.', '#', '*']))
}

/// `$NAME/` and `$NAME/*`: everything, when the variable is empty.
fn is_of_a_variable(path: &str) -> bool {
    let Some(rest) = path.strip_prefix('$') else { return false };
    let rest = rest.strip_suffix('*').unwrap_or(rest);
    let Some(name) = rest.strip_suffix('/') else { return false };
    let name = name.strip_prefix('{').and_then(|name| name.strip_suffix('}')).unwrap_or(name);
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Whether a short flag is among the words, alone or with others, or its long form.
fn has(words: &[&str], short: char, long: &str) -> bool {
    words.iter().take_while(|word| **word != "--").any(|word| match word.strip_prefix("--") {
        Some(name) => name == long,
        None => word.strip_prefix('-').is_some_and(|letters| letters.contains(short)),
    })
}

fn any(words: &[&str], of: &[&str]) -> bool {
    words.iter().any(|word| of.contains(word))
}

/// The words that are no options.
fn plain<'a>(words: &'a [&'a str]) -> impl Iterator<Item = &'a str> {
    words.iter().copied().filter(|word| !word.starts_with('-') || word.len() == 1)
}

/// The first word that is no option.
fn verb<'a>(words: &[&'a str]) -> &'a str {
    words.iter().copied().find(|word| !word.starts_with('-')).unwrap_or_default()
}

/// What a program does with these arguments.
pub(super) fn by_name(name: &str, after: &[&str]) -> Found {
    if after.len() == 1 && matches!(after[0], "--help" | "--version" | "-V") {
        return None;
    }
    files(name, after)
        .or_else(|| machine::disks(name, after))
        .or_else(|| machine::system(name, after))
        .or_else(|| services::services(name, after))
        .or_else(|| services::packages(name, after))
        .or_else(|| services::clouds(name, after))
        .or_else(|| services::stores(name, after))
}

fn files(name: &str, after: &[&str]) -> Found {
    let targets = || plain(after);
    let recursive = has(after, 'r', "recursive") || has(after, 'R', "recursive");
    match name {
        "rm" | "grm" if after.contains(&"--no-preserve-root") => Some(&rules::RM_EVERYTHING),
        "rm" | "grm" if recursive && targets().any(is_everything) => Some(&rules::RM_EVERYTHING),
        "rm" | "grm" if recursive && targets().any(is_of_a_variable) => Some(&rules::RM_UNSET),
        "rm" | "grm" if recursive || has(after, 'f', "force") => Some(&rules::RM_FORCE),
        "rm" | "grm" | "rmdir" | "unlink" if !after.is_empty() => Some(&rules::RM),
        "find" | "fd" if after.contains(&"-delete") => Some(&rules::FIND_DELETE),
        "mv" | "gmv" if targets().count() > 1 => {
            let everything = targets().take(targets().count() - 1).any(is_everything);
            let away = targets().last() == Some("/dev/null");
            Some(if everything || away { &rules::RM_EVERYTHING } else { &rules::MOVE })
        }
        "cp" if targets().last().is_some_and(is_device) => Some(&rules::DEVICE),
        "cp" | "ln" | "install" if has(after, 'f', "force") => Some(&rules::MOVE),
        "tee" => targets().filter_map(|file| output(file, has(after, 'a', "append"))).max_by_key(|rule| rule.level),
        "chmod" | "chown" | "chgrp" => Some(modes(name, after, recursive)),
        "truncate" => Some(&rules::TRUNCATE),
        "shred" | "srm" | "wipe" if targets().any(is_device) => Some(&rules::WIPE_DEVICE),
        "shred" | "srm" | "wipe" => Some(&rules::WIPE),
        "sed" | "gsed" if in_place(after) => Some(&rules::IN_PLACE),
        "perl" | "ruby" if in_place(after) => Some(&rules::IN_PLACE),
        "rsync" if after.iter().any(|word| word.starts_with("--del") || *word == "--remove-source-files") => {
            Some(&rules::RSYNC_DELETE)
        }
        "rsync" | "scp" if targets().last().is_some_and(|to| to.contains(':')) => Some(&rules::REMOTE_COPY),
        "curl" if deletes(after) => Some(&rules::HTTP_DELETE),
        "curl" if has(after, 'o', "output") || has(after, 'O', "remote-name") => {
            let nowhere = after.windows(2).any(|pair| matches!(pair[0], "-o" | "--output") && harmless(pair[1]));
            (!nowhere).then_some(&rules::DOWNLOADS)
        }
        "wget" if !after.contains(&"--spider") && !to_the_terminal(after) => Some(&rules::DOWNLOADS),
        _ => None,
    }
}

fn harmless(file: &str) -> bool {
    matches!(file, "/dev/null" | "-" | "/dev/stdout")
}

fn to_the_terminal(after: &[&str]) -> bool {
    let apart = after.windows(2).any(|pair| {
        (pair[0] == "--output-document" || pair[0].starts_with('-') && pair[0].ends_with('O')) && harmless(pair[1])
    });
    apart || after.iter().any(|word| word.starts_with('-') && (word.ends_with("O-") || word.ends_with("document=-")))
}

fn deletes(after: &[&str]) -> bool {
    after.iter().any(|word| matches!(*word, "-XDELETE" | "--request=DELETE"))
        || after.windows(2).any(|pair| matches!(pair[0], "-X" | "--request") && pair[1] == "DELETE")
}

fn in_place(after: &[&str]) -> bool {
    after.iter().any(|word| {
        let short = |rest: &str| rest.starts_with('i') || rest.len() < 6 && rest.contains('i') && !rest.contains('e');
        word.starts_with("--in-place")
            || word.strip_prefix('-').is_some_and(|rest| !rest.starts_with('-') && short(rest))
    })
}

fn modes(name: &str, after: &[&str], recursive: bool) -> &'static Rule {
    let open = |word: &str| {
        let digits = word.trim_start_matches('0');
        let is_open = digits.len() >= 3 && digits.bytes().all(|byte| byte.is_ascii_digit());
        (is_open && digits.ends_with(['2', '3', '6', '7']))
            || ["a+w", "o+w", "a+rwx", "o+rwx", "a=rwx", "ugo+rwx", "+rwx"].contains(&word)
    };
    // A short -R stands alone; `-r` takes a right away.
    let recursive = recursive && (after.contains(&"--recursive") || has(after, 'R', "recursive"));
    let mut targets = plain(after);
    if recursive && plain(after).skip(1).any(is_everything) {
        &rules::MODE_ROOT
    } else if recursive {
        &rules::MODES
    } else if name == "chmod" && targets.next().is_some_and(open) {
        &rules::MODE_OPEN
    } else {
        &rules::MODE
    }
}
