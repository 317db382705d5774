//! Start files of shells: whether the hook is there, once, and not undone by what comes after it.
//!
//! Reads files and runs none of them, so it sees what stands there and not what it comes to: a line in a file that another
//! one sources is not seen. Nothing is changed.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use caro_schema::ipc::status::{Finding, Level};

use super::{finding, good};

/// The start files that are there.
pub(super) struct StartFiles(Vec<StartFile>);

struct StartFile {
    path: PathBuf,
    shell: &'static str,
    /// Without those that are comments.
    lines: Vec<String>,
}

/// Bytes of a start file. A larger one is generated, and reading it would tell nothing.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Start files below the home, as they are usually named.
const IN_HOME: [(&str, &str); 9] = [
    ("bash", ".bashrc"),
    ("bash", ".bash_profile"),
    ("bash", ".bash_login"),
    ("bash", ".profile"),
    ("zsh", ".zshrc"),
    ("zsh", ".zprofile"),
    ("zsh", ".zshenv"),
    ("xonsh", ".xonshrc"),
    ("zsh", ".config/zsh/.zshrc"),
];

/// Start files, and folders of them, below the folder of configurations.
const IN_CONFIG: [(&str, &str); 8] = [
    ("fish", "fish/config.fish"),
    ("fish", "fish/conf.d"),
    ("nu", "nushell/config.nu"),
    ("nu", "nushell/autoload"),
    ("powershell", "powershell/profile.ps1"),
    ("powershell", "powershell/Microsoft.PowerShell_profile.ps1"),
    ("xonsh", "xonsh/rc.xsh"),
    ("xonsh", "xonsh/rc.d"),
];

/// Tools that take the same keys, and what stands in a start file where they do.
const OTHERS: [(&str, &[&str]); 7] = [
    ("Atuin", &["atuin init"]),
    ("McFly", &["mcfly init"]),
    (
        "fzf",
        &[
            "fzf --bash",
            "fzf --zsh",
            "fzf --fish",
            "key-bindings.bash",
            "key-bindings.zsh",
            ".fzf.bash",
            ".fzf.zsh",
            "fzf_key_bindings",
        ],
    ),
    ("hstr", &["hstr --show", "hstr-bash", "hstr --"]),
    ("RESH", &["resh/shellrc"]),
    ("zsh-histdb", &["sqlite-history.zsh"]),
    ("hishtory", &["hishtory/config"]),
];

/// Settings of shells that keep commands out of their history, and so out of caro's.
const HIDING: [(&str, &str, &str); 9] = [
    ("bash", "HISTIGNORE=", "HISTIGNORE"),
    ("bash", "set +o history", "set +o history"),
    ("bash", "HISTSIZE=0", "HISTSIZE=0"),
    ("zsh", "HISTORY_IGNORE=", "HISTORY_IGNORE"),
    ("zsh", "zshaddhistory()", "a zshaddhistory filter"),
    ("zsh", "HISTSIZE=0", "HISTSIZE=0"),
    ("zsh", "setopt hist_no_store", "hist_no_store"),
    ("fish", "fish_private_mode", "private mode"),
    ("fish", "fish_should_add_to_history", "fish_should_add_to_history"),
];

impl StartFiles {
    /// Those of this user, from the environment.
    pub(super) fn read() -> Self {
        let home = env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
        let folder = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let config = folder("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config"));
        let zsh = folder("ZDOTDIR").filter(|folder| *folder != home).map(|folder| ("zsh", folder.join(".zshrc")));
        Self::of(&home, &config, zsh)
    }

    fn of(home: &Path, config: &Path, more: Option<(&'static str, PathBuf)>) -> Self {
        let in_home = IN_HOME.iter().map(|(shell, name)| (*shell, home.join(name)));
        let in_config = IN_CONFIG.iter().map(|(shell, name)| (*shell, config.join(name)));
        let mut files: Vec<StartFile> = Vec::new();
        for (shell, path) in in_home.chain(in_config).chain(more) {
            let inside = fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.path());
            for path in inside.chain([path.clone()]) {
                if !files.iter().any(|file| file.path == path) {
                    files.extend(StartFile::read(shell, path));
                }
            }
        }
        Self(files)
    }

    /// What is to be said of them. `login` is the user's shell.
    pub(super) fn findings(&self, login: Option<&str>) -> Vec<Finding> {
        let mut findings = vec![self.hook(login)];
        findings.extend(self.0.iter().filter_map(StartFile::taken_keys));
        findings.extend(self.0.iter().filter_map(StartFile::hiding));
        findings
    }

    fn hook(&self, login: Option<&str>) -> Finding {
        const CHECK: &str = "hook";
        let hooked: Vec<&StartFile> = self.0.iter().filter(|file| file.hooks().next().is_some()).collect();
        let login = login.and_then(|path| path.rsplit('/').next()).unwrap_or_default();
        let names = |files: &[&StartFile]| {
            files.iter().map(|file| file.path.display().to_string()).collect::<Vec<_>>().join(", ")
        };
        if hooked.is_empty() {
            let shell = if KNOWN.contains(&login) { login } else { "bash" };
            return finding(CHECK, Level::Notice, "no start file of a shell calls caro init", advice(shell));
        }
        let twice: Vec<&StartFile> = hooked.iter().copied().filter(|file| file.hooks().count() > 1).collect();
        if !twice.is_empty() {
            let advice = "it works, since the hook notices; one line is enough";
            return finding(CHECK, Level::Notice, format!("called more than once in {}", names(&twice)), advice);
        }
        if KNOWN.contains(&login) && !hooked.iter().any(|file| file.shell == login) {
            let found = format!("{login} is your shell, but only these call caro init: {}", names(&hooked));
            return finding(CHECK, Level::Notice, found, advice(login));
        }
        good(CHECK, names(&hooked))
    }
}

/// Shells that have a hook, by the names of their programs.
const KNOWN: [&str; 6] = ["bash", "zsh", "fish", "nu", "xonsh", "pwsh"];

fn advice(shell: &str) -> String {
    match shell {
        "fish" => "add to ~/.config/fish/config.fish: caro init fish | source".to_owned(),
        "bash" | "zsh" => format!("add to the end of ~/.{shell}rc: eval \"$(caro init {shell})\""),
        other => format!("caro init --help says what to add for {other}"),
    }
}

impl StartFile {
    fn read(shell: &'static str, path: PathBuf) -> Option<Self> {
        let meta = fs::metadata(&path).ok().filter(|meta| meta.is_file() && meta.len() <= FILE_BYTES_MAX)?;
        let bytes = fs::read(&path).ok().filter(|bytes| bytes.len() as u64 <= meta.len().max(FILE_BYTES_MAX))?;
        let text = String::from_utf8_lossy(&bytes);
        let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
        Some(Self { path, shell, lines })
    }

    /// Where the hook is called.
    fn hooks(&self) -> impl Iterator<Item = usize> + '_ {
        // The program's path may be in quotes; some shells source a file that was made once.
        let calls = |line: &str| {
            let line = line.replace(['\'', '"'], "");
            line.contains("caro init")
                || line.contains("caro.nu")
                || line.contains("caro.ps1")
                || line.contains("caro.xsh")
        };
        self.lines.iter().enumerate().filter(move |(_, line)| calls(line)).map(|(at, _)| at)
    }

    /// Another tool that is set up after the hook and takes its keys.
    fn taken_keys(&self) -> Option<Finding> {
        let hook = self.hooks().last()?;
        let after = &self.lines[hook + 1..];
        let takes = |marks: &[&str]| after.iter().any(|line| marks.iter().any(|mark| line.contains(mark)));
        let names: Vec<&str> = OTHERS.iter().filter(|(_, marks)| takes(marks)).map(|(name, _)| *name).collect();
        if names.is_empty() {
            return None;
        }
        let found = format!("{} comes after caro in {} and takes Ctrl-R", names.join(" and "), self.path.display());
        Some(finding("keys", Level::Notice, found, "move the line of caro to the end, if caro is to have them"))
    }

    /// Settings of the shell that keep commands out.
    fn hiding(&self) -> Option<Finding> {
        self.hooks().next()?;
        let stands = |mark: &str| self.lines.iter().any(|line| line.contains(mark));
        let hides = |(shell, mark, _): &&(&str, &str, &str)| *shell == self.shell && stands(mark);
        let names: Vec<&str> = HIDING.iter().filter(hides).map(|(_, _, name)| *name).collect();
        if names.is_empty() {
            return None;
        }
        let found = format!("{} in {} keeps commands out, of caro as well", names.join(" and "), self.path.display());
        Some(finding("shell's own rules", Level::Notice, found, "nothing to do, if that is meant"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(files: &[(&str, &str)]) -> (tempfile::TempDir, StartFiles) {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs::write(path, text).expect("written");
        }
        let read = StartFiles::of(folder.path(), &folder.path().join(".config"), None);
        (folder, read)
    }

    fn said(start_files: &[(&str, &str)], login: &str) -> Vec<String> {
        let (_folder, read) = files(start_files);
        read.findings(Some(login)).into_iter().map(|finding| format!("{}: {}", finding.check, finding.found)).collect()
    }

    const HOOK: &str = "eval \"$(caro init bash)\"\n";

    #[test]
    fn r004_a_missing_hook_is_said_with_the_line_for_the_users_shell() {
        let (_folder, none) = files(&[(".bashrc", "# eval \"$(caro init bash)\"\n")]);
        let finding = none.findings(Some("/usr/bin/zsh")).remove(0);
        assert_eq!(finding.found, "no start file of a shell calls caro init");
        assert!(finding.advice.contains("~/.zshrc: eval \"$(caro init zsh)\""), "{}", finding.advice);
        assert!(said(&[(".bashrc", HOOK)], "/bin/zsh")[0].contains("zsh is your shell, but only these"));
        assert!(said(&[(".bashrc", HOOK)], "/bin/bash")[0].ends_with(".bashrc"));
        assert!(said(&[(".config/fish/conf.d/x.fish", "'/b/caro' init fish | source")], "fish")[0].ends_with("x.fish"));
    }

    #[test]
    fn r004_a_hook_that_is_called_twice_is_said() {
        let twice = said(&[(".bashrc", &HOOK.repeat(2))], "bash");
        assert!(twice[0].contains("called more than once"), "{twice:?}");
    }

    #[test]
    fn r004_a_tool_that_comes_after_takes_the_keys_and_one_before_does_not() {
        let after = said(&[(".bashrc", &format!("{HOOK}eval \"$(atuin init bash)\"\n"))], "bash");
        assert!(after[1].starts_with("keys: Atuin comes after caro in "), "{after:?}");
        let before = said(&[(".bashrc", &format!("source ~/.fzf.bash\n{HOOK}"))], "bash");
        assert_eq!(before.len(), 1, "{before:?}");
    }

    #[test]
    fn r004_settings_that_hide_commands_are_named() {
        let hides = said(&[(".bashrc", &format!("HISTIGNORE='ls:cd'\n{HOOK}"))], "bash");
        assert!(hides[1].starts_with("shell's own rules: HISTIGNORE in "), "{hides:?}");
        let other = said(&[(".zshrc", "HISTIGNORE='ls'\neval \"$(caro init zsh)\"\n")], "zsh");
        assert_eq!(other.len(), 1, "it means nothing in zsh: {other:?}");
    }

    #[test]
    fn what_is_no_text_and_what_is_no_file_is_read_without_harm() {
        let (folder, _) = files(&[(".bashrc", "x")]);
        fs::write(folder.path().join(".zshrc"), b"\xff\xfe\neval \"$(caro init zsh)\"\n").expect("written");
        fs::create_dir(folder.path().join(".profile")).expect("made");
        let read = StartFiles::of(folder.path(), &folder.path().join("none"), None);
        assert_eq!(read.findings(Some("zsh")).len(), 1);
    }
}
