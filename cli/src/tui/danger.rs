//! Commands that are never run without a second key: those of several lines, those with something in them that cannot be
//! seen, and those that destroy by the rules of [`crate::safety`].
//!
//! It asks once too often rather than once too little, and it is no protection against anybody who means harm.

use crate::{
    output::visible,
    safety::{self, Level},
};

/// Why a command is not run at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Danger {
    /// It has several lines.
    Lines,
    /// It holds what a person cannot see.
    Hidden,
    /// It destroys, by this rule.
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
    let destroys = safety::rule(command).filter(|rule| rule.level >= Level::High);
    destroys.map(|rule| Danger::Destroys(rule.name))
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
