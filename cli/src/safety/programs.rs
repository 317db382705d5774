//! What single programs do, by their names and arguments, and which files must not be written over.
//!
//! Quotes and wrappers are gone here. An argument that cannot be understood counts for the worse only where the rule's
//! name says so.

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
        .or_else(|| disks(name, after))
        .or_else(|| system(name, after))
        .or_else(|| services(name, after))
        .or_else(|| packages(name, after))
        .or_else(|| clouds(name, after))
        .or_else(|| stores(name, after))
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

fn disks(name: &str, after: &[&str]) -> Found {
    let lists = || any(after, &["-l", "--list", "-p", "--print", "-d", "--dump", "print"]);
    match name {
        "dd" => {
            let to = after.iter().find_map(|word| word.strip_prefix("of="))?;
            if harmless(to) { None } else { Some(if is_device(to) { &rules::DD_DEVICE } else { &rules::DD }) }
        }
        "mkswap" | "mke2fs" | "newfs" | "mkfs" => Some(&rules::MKFS),
        name if name.starts_with("mkfs.") => Some(&rules::MKFS),
        "wipefs" | "blkdiscard" if after.iter().any(|word| word.starts_with("/dev/")) => Some(&rules::WIPE_DEVICE),
        "wipefs" | "blkdiscard" => Some(&rules::WIPE),
        "fdisk" | "sfdisk" | "cfdisk" | "gdisk" | "sgdisk" | "parted" if !lists() => Some(&rules::PARTITIONS),
        "cryptsetup" if any(after, &["luksFormat", "luksErase", "erase", "luksKillSlot"]) => Some(&rules::WIPE_DEVICE),
        "mdadm" if any(after, &["--zero-superblock", "--create", "-C"]) => Some(&rules::WIPE_DEVICE),
        "hdparm" if after.iter().any(|word| word.starts_with("--security-erase")) => Some(&rules::WIPE_DEVICE),
        "nvme" if any(after, &["format", "sanitize"]) => Some(&rules::WIPE_DEVICE),
        "diskutil" if after.iter().any(|word| word.to_lowercase().starts_with("erase")) => Some(&rules::WIPE_DEVICE),
        "zfs" | "zpool" if verb(after) == "destroy" => Some(&rules::DESTROY_POOL),
        "lvremove" | "vgremove" | "pvremove" => Some(&rules::DESTROY_POOL),
        "btrfs" if any(after, &["delete"]) => Some(&rules::DESTROY_POOL),
        "mount" | "umount" | "swapoff" | "swapon" if !after.is_empty() => Some(&rules::MOUNT),
        _ => None,
    }
}

fn system(name: &str, after: &[&str]) -> Found {
    match name {
        "shutdown" if after.contains(&"-c") => None,
        "shutdown" | "reboot" | "poweroff" | "halt" => Some(&rules::SHUTDOWN),
        "init" | "telinit" if matches!(verb(after), "0" | "6") => Some(&rules::SHUTDOWN),
        "kill" if any(after, &["-l", "-0", "--list"]) => None,
        "kill" if after.len() > 1 && after.last() == Some(&"-1") => Some(&rules::KILL_ALL),
        "killall5" => Some(&rules::KILL_ALL),
        "kill" | "killall" | "pkill" | "xkill" => Some(&rules::KILL),
        "crontab" if has(after, 'r', "remove") => Some(&rules::CRONTAB),
        "crontab" if after.contains(&"-l") => None,
        "crontab" | "at" | "batch" | "useradd" | "adduser" | "groupadd" | "chsh" => Some(&rules::USERS),
        "userdel" | "deluser" | "groupdel" => Some(&rules::TRUNCATE),
        "passwd" | "chpasswd" | "visudo" => Some(&rules::ACCESS),
        "usermod" | "gpasswd" if any(after, &["sudo", "wheel", "docker", "admin", "root"]) => Some(&rules::ACCESS),
        "usermod" | "gpasswd" => Some(&rules::USERS),
        "history" if has(after, 'c', "clear") => Some(&rules::HISTORY),
        "unset" if after.contains(&"HISTFILE") => Some(&rules::HISTORY),
        "journalctl" if after.iter().any(|word| word.starts_with("--vacuum")) => Some(&rules::HISTORY),
        "setenforce" if matches!(verb(after), "0" | "Permissive") => Some(&rules::FIREWALL),
        _ => network(name, after),
    }
}

fn network(name: &str, after: &[&str]) -> Found {
    match name {
        "iptables" | "ip6tables" if has(after, 'F', "flush") || has(after, 'X', "delete-chain") => {
            Some(&rules::FIREWALL)
        }
        "iptables" | "ip6tables" if any(after, &["-L", "-S", "--list", "-nvL", "-nL", "-vL"]) => None,
        "nft" if after.contains(&"flush") => Some(&rules::FIREWALL),
        "nft" if after.contains(&"list") => None,
        "ufw" if any(after, &["disable", "reset"]) => Some(&rules::FIREWALL),
        "ufw" if after.contains(&"status") => None,
        "iptables" | "ip6tables" | "nft" | "ufw" | "firewall-cmd" => Some(&rules::NETWORK),
        "ip" if any(after, &["add", "del", "delete", "set", "flush", "replace"]) => Some(&rules::NETWORK),
        "ifconfig" if any(after, &["up", "down", "netmask"]) => Some(&rules::NETWORK),
        "nmcli" if any(after, &["up", "down", "delete", "modify", "add", "off", "on"]) => Some(&rules::NETWORK),
        _ => None,
    }
}

fn services(name: &str, after: &[&str]) -> Found {
    const STARTS: [&str; 8] = ["start", "stop", "restart", "reload", "enable", "kill", "isolate", "try-restart"];
    match name {
        "systemctl" => match verb(after) {
            "poweroff" | "reboot" | "halt" | "kexec" | "rescue" | "emergency" => Some(&rules::SHUTDOWN),
            "mask" | "disable" => Some(&rules::SERVICE_OFF),
            verb if STARTS.contains(&verb) => Some(&rules::SERVICE),
            _ => None,
        },
        "launchctl" if any(after, &["unload", "bootout", "remove", "disable"]) => Some(&rules::SERVICE_OFF),
        "launchctl" if any(after, &["load", "bootstrap", "kickstart", "start", "stop"]) => Some(&rules::SERVICE),
        "service" | "rc-service" if any(after, &STARTS) => Some(&rules::SERVICE),
        "docker" | "podman" | "nerdctl" | "docker-compose" => containers(name, after),
        "kubectl" | "oc" | "k3s" => cluster(after),
        "helm" if any(after, &["uninstall", "delete"]) => Some(&rules::HELM),
        "helm" if any(after, &["install", "upgrade", "rollback"]) => Some(&rules::CLUSTER),
        "git" => git(after),
        _ => None,
    }
}

fn containers(name: &str, after: &[&str]) -> Found {
    const CHANGES: [&str; 11] = ["run", "stop", "rm", "rmi", "kill", "restart", "start", "up", "down", "exec", "pull"];
    let is_compose = name == "docker-compose" || after.contains(&"compose");
    if after.contains(&"prune") {
        Some(&rules::PRUNE)
    } else if after.first() == Some(&"push") {
        Some(&rules::PUBLISH)
    } else if any(after, &["volume"]) && any(after, &["rm", "remove"]) {
        Some(&rules::CONTAINERS)
    } else if any(after, &["rm", "rmi"]) && has(after, 'f', "force") {
        Some(&rules::CONTAINERS)
    } else if is_compose && after.contains(&"down") && (has(after, 'v', "volumes") || after.contains(&"--rmi")) {
        Some(&rules::CONTAINERS)
    } else {
        any(after, &CHANGES).then_some(&rules::CONTAINER)
    }
}

fn cluster(after: &[&str]) -> Found {
    const VERBS: [&str; 24] = [
        "get",
        "describe",
        "logs",
        "delete",
        "drain",
        "replace",
        "apply",
        "create",
        "scale",
        "rollout",
        "patch",
        "edit",
        "cordon",
        "uncordon",
        "set",
        "exec",
        "cp",
        "port-forward",
        "top",
        "explain",
        "config",
        "label",
        "annotate",
        "run",
    ];
    let at = after.iter().position(|word| VERBS.contains(word))?;
    match after[at] {
        "delete" | "drain" => Some(&rules::KUBECTL),
        "replace" if after.contains(&"--force") => Some(&rules::KUBECTL),
        "get" | "describe" | "logs" | "port-forward" | "top" | "explain" | "config" | "exec" => None,
        "rollout" if any(after, &["status", "history"]) => None,
        _ => Some(&rules::CLUSTER),
    }
}

fn git(after: &[&str]) -> Found {
    const VERBS: [&str; 26] = [
        "push",
        "reset",
        "clean",
        "checkout",
        "restore",
        "switch",
        "branch",
        "stash",
        "commit",
        "rebase",
        "merge",
        "pull",
        "filter-branch",
        "filter-repo",
        "reflog",
        "gc",
        "tag",
        "log",
        "show",
        "diff",
        "grep",
        "add",
        "status",
        "update-ref",
        "worktree",
        "cherry-pick",
    ];
    let at = after.iter().position(|word| VERBS.contains(word))?;
    let rest = &after[at + 1..];
    let forced =
        |word: &&str| word.starts_with("--force") || (word.starts_with('+') && word.len() > 1) || **word == *"--mirror";
    match after[at] {
        "push" if rest.iter().any(forced) || has(rest, 'f', "force") => Some(&rules::GIT_FORCE),
        "push" if has(rest, 'd', "delete") || rest.iter().any(|word| word.starts_with(':')) => Some(&rules::GIT_DELETE),
        "push" if any(rest, &["-n", "--dry-run"]) => None,
        "reset" if rest.contains(&"--hard") => Some(&rules::GIT_RESET),
        "clean" if has(rest, 'n', "dry-run") => None,
        "clean" if has(rest, 'f', "force") => Some(&rules::GIT_CLEAN),
        "checkout" | "restore" if rest.contains(&".") && !rest.contains(&"--staged") => Some(&rules::GIT_CHECKOUT),
        "checkout" | "switch" if has(rest, 'f', "force") || rest.contains(&"--discard-changes") => {
            Some(&rules::GIT_CHECKOUT)
        }
        "branch" if has(rest, 'D', "D") || (has(rest, 'd', "delete") && has(rest, 'f', "force")) => {
            Some(&rules::GIT_BRANCH)
        }
        "stash" if any(rest, &["drop", "clear"]) => Some(&rules::GIT_STASH),
        "filter-branch" | "filter-repo" => Some(&rules::GIT_HISTORY),
        "reflog" if any(rest, &["expire", "delete"]) => Some(&rules::GIT_HISTORY),
        "gc" if rest.iter().any(|word| word.starts_with("--prune")) => Some(&rules::GIT_HISTORY),
        "update-ref" if rest.contains(&"-d") => Some(&rules::GIT_HISTORY),
        "push" | "rebase" | "merge" | "pull" | "cherry-pick" => Some(&rules::GIT_CHANGE),
        _ => None,
    }
}

fn packages(name: &str, after: &[&str]) -> Found {
    const OUT: [&str; 8] = ["remove", "purge", "autoremove", "erase", "uninstall", "del", "deinstall", "implode"];
    const IN: [&str; 12] = [
        "install",
        "upgrade",
        "dist-upgrade",
        "full-upgrade",
        "add",
        "i",
        "ci",
        "reinstall",
        "localinstall",
        "refresh",
        "distro-sync",
        "get",
    ];
    let verb = verb(after);
    match name {
        "apt" | "apt-get" | "aptitude" | "dnf" | "yum" | "zypper" | "apk" | "brew" | "snap" | "flatpak" | "port"
        | "pkg" | "xbps-install" | "emerge" | "nix-env" => {
            let dry = any(after, &["-s", "--dry-run", "--simulate"]);
            (OUT.contains(&verb) && !dry)
                .then_some(&rules::PACKAGES_OUT)
                .or_else(|| (IN.contains(&verb) && !dry).then_some(&rules::INSTALL))
        }
        "pacman" | "yay" | "paru" => {
            let flag = after.iter().find(|word| word.starts_with('-'))?;
            let (out, brought) = (flag.starts_with("-R"), flag.starts_with("-S") || flag.starts_with("-U"));
            let asks = flag.contains('s') && flag.starts_with("-S") || flag.starts_with("-Si");
            out.then_some(&rules::PACKAGES_OUT).or_else(|| (brought && !asks).then_some(&rules::INSTALL))
        }
        "dpkg" if any(after, &["-r", "-P", "--purge", "--remove"]) => Some(&rules::PACKAGES_OUT),
        "rpm" if has(after, 'e', "erase") => Some(&rules::PACKAGES_OUT),
        "dpkg" if any(after, &["-i", "--install"]) => Some(&rules::INSTALL),
        "rpm" if has(after, 'i', "install") && !has(after, 'q', "query") || has(after, 'U', "upgrade") => {
            Some(&rules::INSTALL)
        }
        "npm" | "cargo" | "yarn" | "pnpm" | "gem" | "twine" | "poetry" | "mvn" | "uv"
            if any(after, &["publish", "unpublish", "push", "upload", "yank", "deploy"]) =>
        {
            Some(&rules::PUBLISH)
        }
        "pip" | "pip3" | "pipx" | "uv" | "npm" | "yarn" | "pnpm" | "bun" | "gem" | "cargo" | "go" | "composer"
        | "conda" | "mamba" | "poetry" | "rustup" | "opam" | "luarocks" | "cpan" => {
            let changes = IN.contains(&verb) || matches!(verb, "uninstall" | "remove" | "rm" | "update");
            changes.then_some(&rules::INSTALL)
        }
        "make" | "ninja" | "just" if any(after, &["install", "uninstall"]) => Some(&rules::INSTALL),
        _ => None,
    }
}

fn clouds(name: &str, after: &[&str]) -> Found {
    let verbs = |of: &[&str]| any(after, of);
    let begins = |with: &str| after.iter().any(|word| word.starts_with(with));
    match name {
        "terraform" | "tofu" | "terragrunt" | "pulumi" | "cdk" | "vagrant" => match verb(after) {
            "destroy" | "down" => Some(&rules::TERRAFORM),
            "state" if verbs(&["rm"]) => Some(&rules::TERRAFORM),
            "apply" | "up" | "deploy" if verbs(&["-auto-approve", "--auto-approve", "--yes", "-y"]) => {
                Some(&rules::APPLY_UNSEEN)
            }
            "apply" | "up" | "import" | "deploy" => Some(&rules::INFRASTRUCTURE),
            _ => None,
        },
        "aws" if verbs(&["delete-stack", "delete-db-cluster", "delete-db-instance", "delete-cluster", "rb"]) => {
            Some(&rules::CLOUD_ALL)
        }
        "gcloud" if verbs(&["projects", "clusters"]) && verbs(&["delete"]) => Some(&rules::CLOUD_ALL),
        "az" if verbs(&["group"]) && verbs(&["delete"]) => Some(&rules::CLOUD_ALL),
        "eksctl" if verbs(&["delete"]) => Some(&rules::CLOUD_ALL),
        "heroku" | "fly" | "flyctl" if begins("apps:destroy") || begins("pg:reset") || verbs(&["destroy"]) => {
            Some(&rules::CLOUD_ALL)
        }
        "aws" if begins("delete") || begins("terminate-") || (verbs(&["s3"]) && verbs(&["rm"])) => Some(&rules::CLOUD),
        "gcloud" | "az" | "doctl" | "linode-cli" | "hcloud" | "virsh" | "multipass" | "vercel" | "netlify"
            if verbs(&["delete", "destroy", "undefine", "rm", "remove", "purge"]) =>
        {
            Some(&rules::CLOUD)
        }
        "gsutil" | "s3cmd" | "mc" | "rclone" if verbs(&["rm", "rb", "del", "purge", "delete", "sync"]) => {
            Some(&rules::CLOUD)
        }
        "gh" | "glab" if verbs(&["delete"]) => Some(&rules::GIT_DELETE),
        _ => None,
    }
}

fn stores(name: &str, after: &[&str]) -> Found {
    let joined = || after.join(" ").to_lowercase();
    let second = after.first().map(|word| word.to_lowercase()).unwrap_or_default();
    match name {
        "dropdb" => Some(&rules::TRUNCATE),
        "DROP" | "drop" if second == "database" => Some(&rules::DROP_DATABASE),
        "DROP" | "drop" if matches!(second.as_str(), "table" | "schema") => Some(&rules::DROP_TABLE),
        "mysqladmin" if after.contains(&"drop") => Some(&rules::DROP_DATABASE),
        "redis-cli" | "valkey-cli" => {
            let valued = ["-h", "-p", "-a", "-n", "-u", "-s", "--user", "--pass"];
            let asked = |at: &usize| !after[*at].starts_with('-') && (*at == 0 || !valued.contains(&after[*at - 1]));
            let command = after[(0..after.len()).find(asked)?].to_lowercase();
            matches!(command.as_str(), "flushall" | "flushdb").then_some(&rules::FLUSH)
        }
        "mongo" | "mongosh" => {
            let text = joined();
            let empties = ["dropdatabase", ".drop(", "deletemany({})", "remove({})"];
            empties.iter().any(|sign| text.contains(sign)).then_some(&rules::FLUSH)
        }
        "etcdctl" if after.contains(&"del") => Some(&rules::FLUSH),
        "pg_restore" if has(after, 'c', "clean") => Some(&rules::SNAPSHOT),
        "mongorestore" if after.contains(&"--drop") => Some(&rules::SNAPSHOT),
        "tmutil" if any(after, &["delete", "deletelocalsnapshots"]) => Some(&rules::SNAPSHOT),
        "borg" | "restic" if any(after, &["delete", "forget", "prune"]) => Some(&rules::SNAPSHOT),
        _ => None,
    }
}
