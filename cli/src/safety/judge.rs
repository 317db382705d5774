//! Judges a line: what each of its commands does by its name, what it writes over, and what flows into a shell.
//!
//! Goes through `sudo`, `xargs`, `ssh` and their kin to what they run, and into the quotes of `sh -c`. Words of a
//! program that nobody knows are taken for a command as well, so that a new wrapper hides nothing; words of `echo`,
//! `grep` and the like are only words. What single programs do is in `programs`.

use super::{
    Level, programs, rules,
    rules::Rule,
    sql,
    words::{self, Command, Pipeline, Script, Word},
};

/// What was found, if anything.
pub(super) type Found = Option<&'static Rule>;

/// Lines within lines: `sh -c "sh -c …"`.
const DEPTH_MAX: usize = 6;

/// The worse of two.
pub(super) fn worse(one: Found, other: Found) -> Found {
    match (one, other) {
        (Some(one), Some(other)) => Some(if other.level > one.level { other } else { one }),
        (one, other) => one.or(other),
    }
}

/// Judges a line.
pub(super) fn text(text: &str, depth: usize) -> Found {
    if depth > DEPTH_MAX { Some(&rules::TOO_DEEP) } else { script(&words::read(text), depth) }
}

fn script(script: &Script, depth: usize) -> Found {
    let bomb = is_fork_bomb(&script.signs).then_some(&rules::FORK_BOMB);
    let cut = script.is_cut.then_some(&rules::TOO_DEEP);
    script.pipelines.iter().map(|line| pipeline(line, depth)).fold(worse(bomb, cut), worse)
}

/// `name(){name|name&};name`, whatever the name.
fn is_fork_bomb(signs: &str) -> bool {
    signs.match_indices("(){").any(|(at, _)| {
        let name = signs[..at].rsplit([';', '&', '|', '{', '}', '(', ')']).next().unwrap_or_default();
        !name.is_empty() && signs[at + 3..].starts_with(&format!("{name}|{name}&"))
    })
}

/// What a pipe carries.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Flow {
    Unknown,
    Download,
    Decoded,
    Text(String),
}

fn pipeline(line: &Pipeline, depth: usize) -> Found {
    let (mut found, mut flow) = (None, Flow::Unknown);
    for command in &line.commands {
        for script_of in command.words.iter().flat_map(|word| &word.scripts) {
            found = worse(found, script(script_of, depth));
        }
        let outputs = command.outputs.iter().map(|output| programs::output(&output.to, output.appends));
        found = outputs.fold(found, worse);
        let call = Call::of(command);
        found = worse(found, call.as_root.then_some(&rules::SUDO));
        found = worse(found, call.judge(depth));
        if call.reads_commands() {
            let documents = line.documents.iter().map(|document| text(document, depth + 1));
            found = documents.fold(found, worse);
            found = worse(found, fed(&flow, call.as_root, depth));
        } else if sql::is_client(call.name()) {
            let said = if let Flow::Text(said) = &flow { said.as_str() } else { "" };
            let documents = line.documents.iter().map(String::as_str).chain([said]);
            found = documents.map(sql::statements).fold(found, worse);
        }
        flow = call.flow(flow);
    }
    found
}

fn fed(flow: &Flow, as_root: bool, depth: usize) -> Found {
    match flow {
        Flow::Unknown => None,
        Flow::Download if as_root => Some(&rules::SUDO_DOWNLOAD),
        Flow::Download => Some(&rules::DOWNLOAD),
        Flow::Decoded => Some(&rules::DECODED),
        Flow::Text(said) => text(said, depth + 1),
    }
}

/// A command behind what only starts it.
struct Call<'a> {
    words: &'a [Word],
    as_root: bool,
}

impl<'a> Call<'a> {
    fn of(command: &'a Command) -> Self {
        Self::from(&command.words, false)
    }

    fn from(words: &'a [Word], as_root: bool) -> Self {
        let mut call = Self { words, as_root };
        while let Some(first) = call.words.first() {
            let name = base(&first.text);
            let skipped = match name {
                _ if is_assignment(&first.text) => 1,
                _ if KEYWORDS.contains(&name) => 1,
                "function" => 2,
                _ => match WRAPPERS.iter().find(|(known, ..)| *known == name) {
                    Some((_, valued, positionals)) => wrapped_at(call.words, valued, *positionals),
                    None => break,
                },
            };
            call.as_root |= ROOT.contains(&name);
            call.words = &call.words[skipped.min(call.words.len())..];
        }
        call
    }

    fn name(&self) -> &'a str {
        self.words.first().map_or("", |word| base(&word.text))
    }

    fn arguments(&self) -> Vec<&'a str> {
        self.words.iter().skip(1).map(|word| word.text.as_str()).collect()
    }

    fn judge(&self, depth: usize) -> Found {
        let (name, arguments) = (self.name(), self.arguments());
        match name {
            _ if SHELLS.contains(&name) => worse(self.given(depth), self.substituted()),
            "eval" => worse(text(&arguments.join(" "), depth + 1), self.substituted()),
            "source" | "." => self.substituted(),
            "su" => self.given(depth),
            "ssh" | "mosh" => {
                let at = wrapped_at(self.words, &SSH_VALUED, 1).min(self.words.len());
                let rest: Vec<&str> = self.words[at..].iter().map(|word| word.text.as_str()).collect();
                text(&rest.join(" "), depth + 1)
            }
            "find" | "fd" => worse(programs::by_name(name, &arguments), self.executed(depth)),
            _ if is_interpreter(name) => worse(
                programs::by_name(name, &arguments),
                arguments.iter().map(|argument| code(argument, depth)).fold(None, worse),
            ),
            _ if sql::is_client(name) => {
                worse(programs::by_name(name, &arguments), sql::statements(&arguments.join(" ; ")))
            }
            _ if QUIET.contains(&name) => programs::by_name(name, &arguments),
            _ => worse(programs::by_name(name, &arguments), self.scanned(depth)),
        }
    }

    /// What is behind `-c`.
    fn given(&self, depth: usize) -> Found {
        let is_flag = |word: &&Word| match word.text.strip_prefix('-') {
            Some(rest) => !rest.starts_with('-') && rest.contains('c') || matches!(rest, "-command" | "Command"),
            None => false,
        };
        let at = self.words.iter().skip(1).position(|word| is_flag(&word))? + 2;
        text(&self.words.get(at)?.text, depth + 1)
    }

    /// What comes out of a substitution, and is run.
    fn substituted(&self) -> Found {
        let flows = self.words.iter().flat_map(|word| &word.scripts).map(|script| {
            let flow = script
                .pipelines
                .last()
                .map(|line| line.commands.iter().fold(Flow::Unknown, |flow, command| Call::of(command).flow(flow)));
            fed(&flow.filter(|flow| !matches!(flow, Flow::Text(_))).unwrap_or(Flow::Unknown), self.as_root, 0)
        });
        flows.fold(None, worse)
    }

    /// What `find` runs for each file.
    fn executed(&self, depth: usize) -> Found {
        let is_start = |text: &str| {
            matches!(text, "-exec" | "-execdir" | "-ok" | "-okdir" | "-x" | "-X" | "--exec" | "--exec-batch")
        };
        let starts = (1..self.words.len()).filter(|at| is_start(&self.words[*at].text));
        starts.map(|at| Call::from(&self.words[at + 1..], self.as_root).judge(depth + 1)).fold(None, worse)
    }

    /// The words of a program that nobody knows, each taken for the beginning of a command.
    fn scanned(&self, depth: usize) -> Found {
        let dangerous = |found: Found| found.filter(|rule| rule.level >= Level::High);
        let from = |at: usize| {
            let word = &self.words[at].text;
            if word.contains(char::is_whitespace) {
                return text(word, depth + 1);
            }
            if word.starts_with('-') || depth >= DEPTH_MAX {
                return None;
            }
            let call = Call::from(&self.words[at..], self.as_root);
            if SHELLS.contains(&call.name()) {
                return call.given(depth + 1);
            }
            programs::by_name(call.name(), &call.arguments())
        };
        // Behind so many words nobody hides a command, and looking at each costs the square of their number.
        (1..self.words.len().min(SCANNED_MAX)).map(|at| dangerous(from(at))).fold(None, worse)
    }

    /// Whether it runs what it reads.
    fn reads_commands(&self) -> bool {
        let name = self.name();
        let arguments = self.arguments();
        let file = arguments.iter().find(|argument| !argument.starts_with('-'));
        let is_given = |flags: &[char]| {
            arguments.iter().any(|argument| {
                let letters = argument.strip_prefix('-').filter(|rest| !rest.starts_with('-'));
                letters.is_some_and(|letters| letters.contains(flags))
            })
        };
        if SHELLS.contains(&name) {
            let reads = |word: &&str| matches!(*word, "/dev/stdin" | "-");
            return !is_given(&['c']) && (is_given(&['s']) || file.is_none_or(reads));
        }
        match name {
            "source" | "." => file == Some(&"/dev/stdin"),
            "ssh" => self.words.len() <= wrapped_at(self.words, &SSH_VALUED, 1),
            _ => is_interpreter(name) && file.is_none() && !is_given(&['c', 'e', 'r']) && !name.ends_with("awk"),
        }
    }

    /// What it gives on, of what it is given.
    fn flow(&self, before: Flow) -> Flow {
        let arguments = self.arguments();
        let decodes = || {
            let has = |words: &[&str]| arguments.iter().any(|argument| words.contains(argument));
            match self.name() {
                "base64" | "base32" | "openssl" | "gpg" => has(&["-d", "-D", "--decode", "--decrypt", "-di"]),
                "xxd" => has(&["-r", "-rp", "-p"]),
                "rev" => true,
                _ => false,
            }
        };
        match self.name() {
            "curl" | "wget" | "fetch" | "http" | "https" | "xh" | "aria2c" | "lynx" | "ftp" => Flow::Download,
            "echo" | "printf" => Flow::Text(
                arguments.iter().filter(|word| !word.starts_with("-")).copied().collect::<Vec<_>>().join(" "),
            ),
            _ if decodes() && before != Flow::Download => Flow::Decoded,
            _ if matches!(before, Flow::Text(_)) && !matches!(self.name(), "cat" | "tee") => Flow::Unknown,
            _ => before,
        }
    }
}

/// A line of another language: what it removes by itself, and the commands in its quotes.
fn code(line: &str, depth: usize) -> Found {
    const REMOVES: [&str; 9] =
        ["rmtree", "rm_rf", "rm_r(", "FileUtils.rm", "fs.rm(", ".rmSync(", "rimraf", "os.removedirs", "remove_dir_all"];
    let removes = REMOVES.iter().any(|name| line.contains(name)).then_some(&rules::SCRIPT_DELETES);
    let runs = ["system", "exec", "spawn", "popen", "Popen", "subprocess", "`", "qx", "| \"sh\""];
    if !runs.iter().any(|name| line.contains(name)) {
        return removes;
    }
    let quoted = line.split(['"', '\'', '`', '{', '}', '(', ')']).map(|part| text(part.trim(), depth + 1));
    quoted.filter(|found| found.is_some_and(|rule| rule.level >= Level::High)).fold(removes, worse)
}

/// The name of a program, without where it is.
fn base(word: &str) -> &str {
    word.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or(word)
}

fn is_assignment(word: &str) -> bool {
    let name = |name: &str| {
        name.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_')
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    word.split_once('=').is_some_and(|(before, _)| name(before.strip_suffix('+').unwrap_or(before)))
}

/// Where the command begins that a wrapper starts: behind its options, their values and its own arguments.
fn wrapped_at(words: &[Word], valued: &[&str], mut positionals: usize) -> usize {
    let mut at = 1;
    while let Some(word) = words.get(at).map(|word| word.text.as_str()) {
        if word == "--" {
            return at + 1;
        } else if valued.contains(&word) {
            at += 2;
        } else if (word.starts_with('-') && word.len() > 1) || is_assignment(word) {
            at += 1;
        } else if positionals > 0 {
            positionals -= 1;
            at += 1;
        } else {
            return at;
        }
    }
    at
}

fn is_interpreter(name: &str) -> bool {
    let bare = name.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == '.');
    matches!(bare, "python" | "pypy" | "perl" | "ruby" | "node" | "php" | "deno" | "bun" | "lua" | "osascript")
        || matches!(name, "awk" | "gawk" | "mawk" | "nawk")
}

/// Words of an unknown program that are looked at.
const SCANNED_MAX: usize = 64;

const SSH_VALUED: [&str; 20] = [
    "-i", "-p", "-o", "-l", "-L", "-R", "-D", "-F", "-J", "-b", "-c", "-e", "-m", "-O", "-Q", "-S", "-W", "-w", "-B",
    "-E",
];

const SHELLS: [&str; 16] = [
    "sh",
    "bash",
    "zsh",
    "dash",
    "ksh",
    "mksh",
    "fish",
    "ash",
    "rbash",
    "csh",
    "tcsh",
    "nu",
    "pwsh",
    "powershell",
    "elvish",
    "xonsh",
];

const KEYWORDS: [&str; 14] =
    ["if", "then", "elif", "else", "while", "until", "do", "!", "{", "}", "coproc", "noglob", "nocorrect", "builtin"];

/// Programs that give all rights.
const ROOT: [&str; 6] = ["sudo", "doas", "pkexec", "run0", "gosu", "su-exec"];

/// Programs that start another one: their options with a value, and how many arguments are their own.
const WRAPPERS: &[(&str, &[&str], usize)] = &[
    ("sudo", &["-u", "-g", "-h", "-p", "-C", "-r", "-t", "-T", "-U", "-D", "-R", "--user", "--group"], 0),
    ("doas", &["-u", "-C"], 0),
    ("pkexec", &["--user"], 0),
    ("run0", &["-u", "--user"], 0),
    ("gosu", &[], 1),
    ("su-exec", &[], 1),
    ("runuser", &["-u", "-g"], 0),
    ("env", &["-u", "-C", "--unset", "--chdir"], 0),
    ("nohup", &[], 0),
    ("nice", &["-n"], 0),
    ("ionice", &["-c", "-n", "-p"], 0),
    ("chrt", &[], 1),
    ("taskset", &[], 1),
    ("time", &["-f", "-o"], 0),
    ("timeout", &["-s", "-k", "--signal", "--kill-after"], 1),
    ("gtimeout", &["-s", "-k"], 1),
    ("exec", &["-a"], 0),
    ("command", &[], 0),
    ("setsid", &[], 0),
    ("stdbuf", &["-i", "-o", "-e"], 0),
    ("unbuffer", &[], 0),
    ("xargs", &["-I", "-n", "-P", "-L", "-d", "-s", "-E", "-a", "--max-args", "--max-procs", "--delimiter"], 0),
    ("parallel", &["-j", "--jobs", "-a", "--colsep"], 0),
    ("watch", &["-n", "--interval"], 0),
    ("chroot", &[], 1),
    ("flock", &["-w", "-E", "--timeout"], 1),
    ("strace", &["-o", "-e", "-p", "-s", "-u"], 0),
    ("ltrace", &["-o", "-e", "-p"], 0),
    ("caffeinate", &["-t", "-w"], 0),
    ("systemd-run", &["-p", "-u", "--unit", "--property"], 0),
    ("systemd-inhibit", &[], 0),
    ("firejail", &[], 0),
    ("fakeroot", &[], 0),
    ("busybox", &[], 0),
    ("toybox", &[], 0),
    ("torsocks", &[], 0),
    ("proxychains", &[], 0),
    ("proxychains4", &[], 0),
    ("sshpass", &["-p", "-f", "-e"], 0),
    ("dbus-run-session", &[], 0),
    ("entr", &[], 0),
    ("hyperfine", &["-w", "-r", "-m", "-n"], 0),
];

/// Programs whose arguments are only words to them: files, patterns, messages, names of packages.
#[rustfmt::skip]
const QUIET: &[&str] = &[
    "#", ":", "[", "[[", "ack", "adduser", "ag", "alias", "apk", "apropos", "apt", "apt-get", "apt-cache", "aptitude", "aria2c",
    "at", "aws", "az", "base64", "basename", "bat", "bg", "borg", "brew", "cal", "caro", "cargo", "case", "cat", "cd", "chmod",
    "chown", "chgrp", "clear", "cmake", "cmp", "code", "column", "comm", "composer", "conda", "convert", "cp", "crontab", "curl",
    "cut", "date", "dd", "declare", "df", "diff", "dig", "dirname", "dirs", "dnf", "doctl", "dpkg", "du", "echo", "egrep", "emacs",
    "esac", "export", "expr", "false", "fc", "ffmpeg", "fg", "fgrep", "figlet", "file", "flatpak", "fold", "fmt", "for", "free",
    "gcloud", "gem", "gh", "git", "glab", "go", "gpg", "gradle", "grep", "gsutil", "gunzip", "gzip", "head", "helm", "help",
    "hexdump", "history", "host", "hostname", "htop", "http", "id", "ifconfig", "info", "ip", "jobs", "join", "journalctl", "jq",
    "just", "kill", "killall", "less", "ll", "ln", "local", "locate", "logger", "look", "ls", "lsblk", "lsof", "make", "man",
    "md5sum", "mkdir", "more", "mount", "mv", "mvn", "nano", "nc", "nl", "nmap", "notify-send", "npm", "npx", "nslookup", "nvim",
    "od", "open", "openssl", "pacman", "paste", "pgrep", "ping", "pip", "pip3", "pipx", "pkill", "pnpm", "popd", "printf", "ps",
    "pushd", "pwd", "rclone", "read", "readlink", "realpath", "redis-cli", "restic", "return", "rev", "rg", "rm", "rmdir",
    "rpm", "rsync", "rustup", "say", "scp", "sed", "select", "seq", "set", "sha256sum", "shift", "shred", "sleep", "snap", "sort",
    "split", "stat", "strings", "systemctl", "tac", "tail", "tar", "tee", "terraform", "test", "tldr", "tofu", "top", "touch",
    "tr", "traceroute", "tree", "true", "truncate", "type", "typeset", "umount", "unalias", "uname", "uniq", "unset",
    "unzip", "uptime", "uv", "vi", "view", "vim", "w", "wait", "wc", "wget", "whatis", "whence", "where", "whereis", "which", "who",
    "whoami", "xclip", "xdg-open", "xxd", "yarn", "yum", "zcat", "zip", "zypper", "zgrep", "pbcopy", "cowsay", "wl-copy", "unlink",
    "docker-compose",
];
