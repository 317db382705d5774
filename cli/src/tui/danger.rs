//! Commands that are never run without a second key: those of several lines, those with something in them that cannot be
//! seen, and a short list of those that destroy. The list is in `docs/screen.md`.
//!
//! Looks at words only, wherever they stand: behind `sudo`, in quotes for `ssh` or `sh -c`, after `xargs`. It asks once
//! too often rather than once too little, and it is no protection against anybody who means harm.

use crate::output::visible;

/// Why a command is not run at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Danger {
    /// It has several lines.
    Lines,
    /// It holds what a person cannot see.
    Hidden,
    /// It destroys, by this word.
    Destroys(&'static str),
}

/// Bytes of a command that are looked at. Nobody reads more before Enter, so a longer one is asked about.
const BYTES_MAX: usize = 64 * 1024;

/// Why this command is not run at once, if it is not.
pub(super) fn danger(command: &[u8]) -> Option<Danger> {
    if command.len() > BYTES_MAX {
        return Some(Danger::Hidden);
    }
    if command.trim_ascii_end().contains(&b'\n') {
        return Some(Danger::Lines);
    }
    if !visible::is_plain_line(command.trim_ascii_end()) {
        return Some(Danger::Hidden);
    }
    let text = String::from_utf8_lossy(command);
    if text.contains("> /dev/sd") || text.contains(">/dev/sd") || text.contains("/dev/nvme") && text.contains('>') {
        return Some(Danger::Destroys("> /dev/…"));
    }
    if text.split_whitespace().collect::<String>().contains(":(){:|:&};:") {
        return Some(Danger::Destroys(":(){ :|:& };:"));
    }
    parts(&text).iter().find_map(|words| destroys(words)).map(Danger::Destroys)
}

/// Commands of a line, each as its words without quotes.
fn parts(text: &str) -> Vec<Vec<String>> {
    text.split(|letter: char| ";|&(){}`\n".contains(letter))
        .map(|part| {
            let words = part.split(|letter: char| letter.is_whitespace() || "'\"\\".contains(letter));
            words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
        })
        .collect()
}

fn destroys(words: &[String]) -> Option<&'static str> {
    (0..words.len()).find_map(|at| {
        let name = words[at].rsplit('/').next().unwrap_or_default();
        let after: Vec<&str> = words[at + 1..].iter().map(String::as_str).collect();
        by_name(name, &after)
    })
}

/// Whether a short flag is among the words, alone or with others, or its long form.
fn has(words: &[&str], short: char, long: &str) -> bool {
    words.iter().take_while(|word| **word != "--").any(|word| match word.strip_prefix("--") {
        Some(name) => name == long,
        None => word.strip_prefix('-').is_some_and(|letters| letters.contains(short)),
    })
}

fn by_name(name: &str, after: &[&str]) -> Option<&'static str> {
    let first = after.iter().copied().find(|word| !word.starts_with('-'));
    match name {
        "rm" if has(after, 'r', "recursive") || has(after, 'R', "recursive") || has(after, 'f', "force") => {
            Some("rm -r or -f")
        }
        "dd" if after.iter().any(|word| word.starts_with("of=")) => Some("dd of="),
        name if name == "mkfs" || name.starts_with("mkfs.") || name == "mkswap" => Some("mkfs"),
        "wipefs" | "shred" | "blkdiscard" => Some("wipefs, shred, blkdiscard"),
        "fdisk" | "sfdisk" | "cfdisk" | "gdisk" | "sgdisk" | "parted" => Some("a partition editor"),
        "shutdown" | "reboot" | "poweroff" | "halt" => Some("shutdown, reboot"),
        "systemctl" if matches!(first, Some("poweroff" | "reboot" | "halt" | "kexec")) => Some("shutdown, reboot"),
        "find" if after.contains(&"-delete") => Some("find -delete"),
        "chmod" | "chown" | "chgrp" if has(after, 'R', "recursive") => Some("chmod -R, chown -R"),
        "crontab" if has(after, 'r', "remove") => Some("crontab -r"),
        "truncate" | "dropdb" | "userdel" => Some("truncate, dropdb, userdel"),
        "git" => git(after),
        "docker" | "podman" if after.contains(&"prune") => Some("docker prune"),
        "kubectl" | "oc" if after.contains(&"delete") => Some("kubectl delete"),
        "terraform" | "tofu" if first == Some("destroy") => Some("terraform destroy"),
        "zfs" | "zpool" | "lvremove" | "vgremove" if first == Some("destroy") || name.ends_with("remove") => {
            Some("zfs destroy, lvremove")
        }
        "DROP" | "drop" if matches!(first.map(str::to_lowercase).as_deref(), Some("table" | "database" | "schema")) => {
            Some("drop table")
        }
        _ => None,
    }
}

fn git(after: &[&str]) -> Option<&'static str> {
    let at = after.iter().position(|word| ["push", "reset", "clean", "checkout", "branch", "stash"].contains(word))?;
    let rest = &after[at + 1..];
    let forced = |word: &&str| word.starts_with("--force") || word.starts_with('+') || **word == *"--mirror";
    match after[at] {
        "push" if rest.iter().any(forced) || has(rest, 'f', "force") => Some("git push --force"),
        "push" if has(rest, 'd', "delete") || rest.iter().any(|word| word.starts_with(':')) => {
            Some("git push --delete")
        }
        "reset" if rest.contains(&"--hard") => Some("git reset --hard"),
        "clean" if has(rest, 'f', "force") => Some("git clean -f"),
        "checkout" if rest.contains(&".") => Some("git checkout ."),
        "branch" if has(rest, 'D', "D") => Some("git branch -D"),
        "stash" if rest.iter().any(|word| ["drop", "clear"].contains(word)) => Some("git stash drop"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s19_what_destroys_is_never_run_without_a_second_key() {
        for command in [
            "rm -rf /",
            "rm -r build",
            "rm -vf x",
            "rm x --force",
            "sudo /bin/rm -Rf --no-preserve-root /",
            "ssh host 'rm -rf ~/x'",
            "ls | xargs rm -f",
            "true && rm -fr .",
            "bash -c \"rm -rf x\"",
            "dd if=/dev/zero of=/dev/sda",
            "mkfs.ext4 /dev/sdb1",
            "shred x",
            "echo x > /dev/sda",
            "git push --force",
            "git push -f origin main",
            "git push origin +main",
            "git -C x push --force-with-lease",
            "git push origin :main",
            "git reset --hard HEAD~1",
            "git clean -fdx",
            "git checkout -- .",
            "git branch -D x",
            "git stash clear",
            "find . -name '*.o' -delete",
            "chmod -R 777 /",
            "sudo reboot",
            "systemctl poweroff",
            "kubectl -n x delete pod y",
            "terraform destroy",
            "docker system prune -a",
            "psql -c 'DROP TABLE users'",
            "crontab -r",
            ":(){ :|:& };:",
        ] {
            assert!(matches!(danger(command.as_bytes()), Some(Danger::Destroys(_))), "{command}");
        }
    }

    #[test]
    fn ordinary_commands_run_at_once() {
        for command in [
            "ls -l",
            "rm x",
            "cargo run --release",
            "git push",
            "git push -u origin main",
            "git reset HEAD~1",
            "git checkout main",
            "git branch -d x",
            "dd --help",
            "find . -name x",
            "chmod +x run",
            "kubectl get pods",
            "docker run -f x",
            "grep -rf patterns .",
            "cat /dev/sda > image",
            "ls\n",
        ] {
            assert_eq!(danger(command.as_bytes()), None, "{command}");
        }
    }

    #[test]
    fn s19_what_cannot_be_seen_whole_is_never_run_without_a_second_key() {
        assert_eq!(danger(b"ls\nrm x"), Some(Danger::Lines));
        for hidden in [&b"ls \x1b[8m; rm"[..], "a\u{202e}b".as_bytes(), b"a\xffb"] {
            assert_eq!(danger(hidden), Some(Danger::Hidden));
        }
        assert_eq!(danger(&vec![b'a'; BYTES_MAX + 1]), Some(Danger::Hidden));
    }
}
