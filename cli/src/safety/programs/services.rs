//! Services, containers, clusters, repositories, packages, clouds and stores: what programs do to what runs or is kept for a
//! person.

use super::{any, has, verb};
use crate::safety::{judge::Found, rules};

pub(super) fn services(name: &str, after: &[&str]) -> Found {
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
    let removes = any(after, &["rm", "rmi"]) && has(after, 'f', "force");
    let with_data = is_compose && after.contains(&"down") && (has(after, 'v', "volumes") || after.contains(&"--rmi"));
    let volumes = after.contains(&"volume") && any(after, &["rm", "remove"]);
    if after.contains(&"prune") {
        Some(&rules::PRUNE)
    } else if after.first() == Some(&"push") {
        Some(&rules::PUBLISH)
    } else if volumes || removes || with_data {
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

pub(super) fn packages(name: &str, after: &[&str]) -> Found {
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

pub(super) fn clouds(name: &str, after: &[&str]) -> Found {
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

pub(super) fn stores(name: &str, after: &[&str]) -> Found {
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
