//! Takes a command line apart, as far as counting asks: which programs it runs, and what each was told to do.
//!
//! Not a shell: quotes, comments, here-documents and substitutions are followed only as far as a program's name can
//! stand behind them. Any bytes give some answer, in time that grows with the line. What stands in front of a program
//! without being what one means (`sudo`, `env A=b`, `time`) is passed over.

/// One program of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Used<'a> {
    /// Its name, without the folder.
    pub(super) program: &'a [u8],
    /// What it was told to do, where the program is one of those that are told.
    pub(super) subcommand: Option<&'a [u8]>,
}

/// Programs of one line that are counted. A longer line is a script.
const USED_MAX: usize = 32;

/// Bytes of a line that are looked at.
const LOOK_BYTES_MAX: usize = 16 * 1024;

/// The programs of a line, each place where one is run, in order.
pub(super) fn used(line: &[u8]) -> Vec<Used<'_>> {
    let mut found = Vec::new();
    let mut simple: Vec<&[u8]> = Vec::new();
    let tokens = Tokens { rest: &line[..line.len().min(LOOK_BYTES_MAX)] };
    for token in tokens {
        match token {
            Token::Word(word) => simple.push(word),
            Token::End => {
                found.extend(program(&simple));
                simple.clear();
            }
        }
        if found.len() >= USED_MAX {
            return found;
        }
    }
    found.extend(program(&simple));
    found
}

/// The program of one simple command.
fn program<'a>(words: &[&'a [u8]]) -> Option<Used<'a>> {
    let mut rest = words;
    loop {
        let (first, after) = rest.split_first()?;
        let name = base(first);
        if is_assignment(first) || KEYWORDS.contains(&text(first)) {
            rest = after;
        } else if OPENERS.contains(&text(first)) {
            // `for x in …`, `case x in …`: names and patterns, no program.
            return None;
        } else if let Some(wrapper) = WRAPPERS.iter().find(|wrapper| wrapper.name == text(name)) {
            rest = wrapper.skip(after);
            if rest.is_empty() {
                return is_name(name).then_some(Used { program: name, subcommand: None });
            }
        } else {
            return is_name(name).then(|| Used { program: name, subcommand: subcommand(name, after) });
        }
    }
}

/// What a program was told to do: its first word that is no option, where the program takes one.
fn subcommand<'a>(program: &[u8], words: &[&'a [u8]]) -> Option<&'a [u8]> {
    let told = TOLD.iter().find(|told| told.name == text(program))?;
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if !word.starts_with(b"-") && !word.starts_with(b"+") {
            return is_name(word).then_some(*word);
        }
        if told.takes_value.contains(&text(word)) {
            words.next();
        }
    }
    None
}

/// A program that is told what to do by a word, and its options in front of that word which take a value.
struct Told {
    name: &'static str,
    takes_value: &'static [&'static str],
}

const fn told(name: &'static str, takes_value: &'static [&'static str]) -> Told {
    Told { name, takes_value }
}

/// By name. `make` and the like are told targets, which says as much.
const TOLD: &[Told] = &[
    told("git", &["-C", "-c", "--git-dir", "--work-tree", "--namespace"]),
    told("jj", &["-R", "--repository"]),
    told("hg", &["-R", "--cwd"]),
    told("svn", &[]),
    told("gh", &["-R", "--repo"]),
    told("glab", &["-R", "--repo"]),
    told("cargo", &["--config", "-C", "--color"]),
    told("rustup", &[]),
    told("docker", &["-c", "--context", "-H", "--host", "--config", "-l"]),
    told("podman", &["--connection", "-c"]),
    told("docker-compose", &["-f", "--file", "-p", "--project-name"]),
    told("kubectl", &["-n", "--namespace", "--context", "--kubeconfig", "--cluster"]),
    told("oc", &["-n", "--namespace", "--context"]),
    told("helm", &["-n", "--namespace", "--kube-context"]),
    told("npm", &["--prefix", "-w"]),
    told("pnpm", &["-C", "--filter", "-F"]),
    told("yarn", &["--cwd"]),
    told("bun", &["--cwd"]),
    told("deno", &[]),
    told("pip", &[]),
    told("pip3", &[]),
    told("pipx", &[]),
    told("uv", &["--directory", "--project"]),
    told("poetry", &["-C"]),
    told("conda", &[]),
    told("apt", &["-o", "-c"]),
    told("apt-get", &["-o", "-c"]),
    told("apt-cache", &[]),
    told("dnf", &[]),
    told("yum", &[]),
    told("zypper", &[]),
    told("apk", &[]),
    told("brew", &[]),
    told("port", &[]),
    told("snap", &[]),
    told("flatpak", &[]),
    told("nix", &[]),
    told("guix", &[]),
    told("systemctl", &["-H", "-M", "-t", "-p"]),
    told("service", &[]),
    told("launchctl", &[]),
    told("loginctl", &[]),
    told("journalctl", &[]),
    told("ip", &["-n"]),
    told("nmcli", &["-f", "-g"]),
    told("go", &["-C"]),
    told("dotnet", &[]),
    told("mix", &[]),
    told("bundle", &[]),
    told("rails", &[]),
    told("gem", &[]),
    told("composer", &["-d"]),
    told("make", &["-C", "-f", "-j", "-I"]),
    told("just", &["-f", "-d"]),
    told("task", &["-d", "-t"]),
    told("terraform", &[]),
    told("tofu", &[]),
    told("pulumi", &["-C", "-s"]),
    told("vagrant", &[]),
    told("aws", &["--profile", "--region", "--output"]),
    told("az", &[]),
    told("gcloud", &["--project", "--account"]),
    told("fly", &[]),
    told("flyctl", &[]),
    told("heroku", &["-a"]),
    told("vault", &[]),
    told("tmux", &["-L", "-S", "-f"]),
    told("zfs", &[]),
    told("zpool", &[]),
    told("btrfs", &[]),
    told("restic", &["-r", "--repo"]),
    told("borg", &[]),
    told("openssl", &[]),
    told("adb", &["-s"]),
    told("ollama", &[]),
    told("caro", &[]),
    told("atuin", &[]),
];

/// A program that runs another one.
struct Wrapper {
    name: &'static str,
    takes_value: &'static [&'static str],
    /// Words of its own that come before the other's name.
    words: usize,
}

const fn wrapper(name: &'static str, takes_value: &'static [&'static str], words: usize) -> Wrapper {
    Wrapper { name, takes_value, words }
}

const WRAPPERS: &[Wrapper] = &[
    wrapper("sudo", &["-u", "-g", "-h", "-p", "-C", "-r", "-t", "-T", "-U", "-D", "-R"], 0),
    wrapper("doas", &["-u", "-C"], 0),
    wrapper("run0", &["-u", "--user"], 0),
    wrapper("env", &["-u", "--unset", "-C", "--chdir", "-S"], 0),
    wrapper("time", &["-f", "-o"], 0),
    wrapper("nice", &["-n"], 0),
    wrapper("ionice", &["-c", "-n"], 0),
    wrapper("chrt", &[], 1),
    wrapper("taskset", &[], 1),
    wrapper("timeout", &["-s", "-k", "--signal", "--kill-after"], 1),
    wrapper("nohup", &[], 0),
    wrapper("setsid", &[], 0),
    wrapper("stdbuf", &["-i", "-o", "-e"], 0),
    wrapper("unbuffer", &[], 0),
    wrapper("command", &[], 0),
    wrapper("builtin", &[], 0),
    wrapper("exec", &["-a"], 0),
    wrapper("noglob", &[], 0),
    wrapper("nocorrect", &[], 0),
    wrapper("proxychains", &["-f"], 0),
    wrapper("proxychains4", &["-f"], 0),
    wrapper("torsocks", &[], 0),
    wrapper("caffeinate", &["-t", "-w"], 0),
    wrapper("systemd-inhibit", &[], 0),
    wrapper("watch", &["-n", "--interval"], 0),
    wrapper("xargs", &["-n", "-I", "-P", "-L", "-d", "-s", "-a", "-E"], 0),
    wrapper("eatmydata", &[], 0),
    wrapper("fakeroot", &[], 0),
    wrapper("busybox", &[], 0),
];

impl Wrapper {
    /// What stands behind it: the other program and its words.
    fn skip<'b, 'a>(&self, words: &'b [&'a [u8]]) -> &'b [&'a [u8]] {
        let mut rest = words;
        while let Some((first, after)) = rest.split_first() {
            if *first == b"--" {
                rest = after;
                break;
            }
            if !first.starts_with(b"-") && !is_assignment(first) {
                break;
            }
            let value = usize::from(self.takes_value.contains(&text(first)));
            rest = after.get(value..).unwrap_or_default();
        }
        rest.get(self.words..).unwrap_or_default()
    }
}

/// Words of the shells in front of a command.
const KEYWORDS: [&str; 15] =
    ["if", "then", "else", "elif", "do", "while", "until", "!", "{", "}", "and", "or", "not", "begin", "coproc"];

/// Words of the shells after which no command follows at once, or none at all.
const OPENERS: [&str; 12] =
    ["for", "case", "select", "function", "in", "fi", "done", "esac", "end", "[[", "((", "switch"];

fn is_assignment(word: &[u8]) -> bool {
    let Some(at) = word.iter().position(|byte| *byte == b'=') else { return false };
    let name = word[..at].strip_suffix(b"+").unwrap_or(&word[..at]);
    name.first().is_some_and(|first| first.is_ascii_alphabetic() || *first == b'_')
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'[' | b']'))
}

/// Whether a word can be the name of a program: it begins with a letter, a digit or a sign that some have, and is no
/// variable or pattern.
fn is_name(word: &[u8]) -> bool {
    let odd = |byte: &u8| {
        matches!(byte, b'$' | b'*' | b'(' | b')' | b'{' | b'}' | b'=' | b'`' | b'"' | b'\'' | 0..=b' ' | 127)
    };
    word.len() <= NAME_BYTES_MAX
        && !word.iter().any(odd)
        && word
            .iter()
            .any(|byte| byte.is_ascii_alphanumeric() || *byte >= 128 || matches!(byte, b'[' | b':' | b'.' | b'_'))
        && !word.starts_with(b"-")
        && !word.starts_with(b"#")
}

/// Longer names are paths that were cut or text that was pasted.
const NAME_BYTES_MAX: usize = 100;

fn base(word: &[u8]) -> &[u8] {
    match word.iter().rposition(|byte| *byte == b'/') {
        Some(at) if at + 1 < word.len() => &word[at + 1..],
        _ => word,
    }
}

/// A word as text, empty when it is not UTF-8: no name of ours is.
fn text(word: &[u8]) -> &str {
    std::str::from_utf8(word).unwrap_or_default()
}

/// A piece of a line.
enum Token<'a> {
    /// A word, without quotes around the whole of it.
    Word(&'a [u8]),
    /// What stands between two simple commands.
    End,
}

struct Tokens<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            let blank = self.rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r')).count();
            self.rest = &self.rest[blank..];
            match self.rest {
                [] => return None,
                [b'\\', b'\n', rest @ ..] => self.rest = rest,
                [b'#', ..] => self.skip_until(b'\n'),
                [b'\n' | b';' | b'|' | b'&' | b'(' | b')' | b'`', rest @ ..] => {
                    self.rest = rest;
                    return Some(Token::End);
                }
                [b'<' | b'>', ..] => self.skip_redirection(),
                _ => {
                    if let Some(word) = self.word() {
                        return Some(Token::Word(word));
                    }
                }
            }
        }
    }
}

impl<'a> Tokens<'a> {
    fn skip_until(&mut self, end: u8) {
        let length = self.rest.iter().position(|byte| *byte == end).unwrap_or(self.rest.len());
        self.rest = &self.rest[length..];
    }

    /// `>file`, `>&2`, `<<<word`; a process substitution is left to be read as commands.
    fn skip_redirection(&mut self) {
        let signs = self.rest.iter().take_while(|byte| matches!(byte, b'<' | b'>' | b'&' | b'|' | b'-' | b'!')).count();
        self.rest = &self.rest[signs..];
        let blank = self.rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        if !self.rest[blank..].starts_with(b"(") {
            self.rest = &self.rest[blank..];
            self.word();
        }
    }

    /// Takes one word. None when it was the number of a redirection, or a substitution whose inside comes next.
    fn word(&mut self) -> Option<&'a [u8]> {
        let all = self.rest;
        let mut at = 0;
        while at < all.len() {
            match all[at] {
                b'\\' => at += 2,
                b'\'' => at += 1 + length_to(&all[at + 1..], b'\'') + 1,
                b'"' => at += 1 + length_in_quotes(&all[at + 1..]) + 1,
                b'$' if all[at + 1..].starts_with(b"{") => at += length_to(&all[at..], b'}') + 1,
                // What is inside is a command of its own.
                b'$' if all[at + 1..].starts_with(b"(") => {
                    self.rest = &all[at + 1..];
                    return None.or((at > 0).then(|| unquoted(&all[..at])));
                }
                b' ' | b'\t' | b'\n' | b'\r' | b';' | b'|' | b'&' | b'(' | b')' | b'<' | b'>' | b'`' => break,
                _ => at += 1,
            }
        }
        let end = at.min(all.len());
        self.rest = &all[end..];
        let word = &all[..end];
        let descriptor = self.rest.starts_with(b">") || self.rest.starts_with(b"<");
        if descriptor && !word.is_empty() && word.iter().all(u8::is_ascii_digit) {
            return None;
        }
        Some(unquoted(word))
    }
}

fn length_to(bytes: &[u8], end: u8) -> usize {
    bytes.iter().position(|byte| *byte == end).unwrap_or(bytes.len())
}

fn length_in_quotes(bytes: &[u8]) -> usize {
    let mut at = 0;
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at.min(bytes.len())
}

/// Without quotes around the whole, and without the backslash that keeps an alias away.
fn unquoted(word: &[u8]) -> &[u8] {
    match word {
        [b'\'', inner @ .., b'\''] | [b'"', inner @ .., b'"'] => inner,
        [b'\\', rest @ ..] => rest,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &str) -> Vec<String> {
        let shown = |used: &Used<'_>| {
            let words = [Some(used.program), used.subcommand].into_iter().flatten();
            words.map(|word| String::from_utf8_lossy(word).into_owned()).collect::<Vec<_>>().join(" ")
        };
        used(line.as_bytes()).iter().map(shown).collect()
    }

    #[test]
    fn programs_and_what_they_were_told() {
        for (line, expected) in [
            ("ls -l", &["ls"][..]),
            ("git commit -m 'fix; the | pipe'", &["git commit"]),
            ("git -C /srv/app -c user.name=x log", &["git log"]),
            ("git --no-pager diff", &["git diff"]),
            ("git", &["git"]),
            ("sudo apt-get install -y vim", &["apt-get install"]),
            ("sudo -u postgres psql -c 'select 1'", &["psql"]),
            ("sudo -E env A=b RUST_LOG=x cargo test", &["cargo test"]),
            ("A=1 B='x y' make -j8 install", &["make install"]),
            ("FOO=bar", &[]),
            ("time -p timeout -k 5 30 curl https://x", &["curl"]),
            ("cat f | grep x | sort -u", &["cat", "grep", "sort"]),
            ("cd /tmp && ./run.sh; echo done &", &["cd", "run.sh", "echo"]),
            ("/usr/bin/python3 -m http.server", &["python3"]),
            ("for f in *.rs; do wc -l \"$f\"; done", &["wc"]),
            ("if test -f x; then rm x; else touch x; fi", &["test", "rm", "touch"]),
            ("while true; do date; sleep 1; done", &["true", "date", "sleep"]),
            ("echo $(git rev-parse HEAD) > out 2>&1", &["echo", "git rev-parse"]),
            ("diff <(sort a) <(sort b)", &["diff", "sort", "sort"]),
            ("find . -name '*.o' | xargs -n 1 -I{} rm {}", &["find", "rm"]),
            ("\\ls", &["ls"]),
            ("'git' status", &["git status"]),
            ("docker --context remote compose up -d", &["docker compose"]),
            ("kubectl -n kube-system get pods", &["kubectl get"]),
            ("cargo +nightly fmt", &["cargo fmt"]),
            ("npm run build", &["npm run"]),
            ("echo hi # git push", &["echo"]),
            ("! grep -q x f", &["grep"]),
            ("(cd x && make)", &["cd", "make"]),
            ("cat <<EOF > f", &["cat"]),
            ("sudo", &["sudo"]),
            ("$EDITOR file", &[]),
            ("", &[]),
            ("   ", &[]),
            ("echo 'unclosed", &["echo"]),
            ("über --all", &["über"]),
        ] {
            assert_eq!(shown(line), expected, "{line}");
        }
    }

    #[test]
    fn any_bytes_give_an_answer_and_a_script_does_not_take_long() {
        proptest::proptest!(|(line: Vec<u8>)| {
            proptest::prop_assert!(used(&line).len() <= USED_MAX + 1);
        });
        assert_eq!(used("a;".repeat(1_000_000).as_bytes()).len(), USED_MAX);
    }
}
