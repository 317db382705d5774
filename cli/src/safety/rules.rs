//! The rules, each with its level, its name and what it is about. `docs/assistants.md` lists them all; a test compares.
//!
//! A name is what a person sees beside the level. When a rule holds is in `judge`, `programs` and `sql`.

use super::Level::{self, Critical, High, Moderate};

/// A reason to look twice.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    /// How bad it is.
    pub(crate) level: Level,
    /// What a person is shown.
    pub(crate) name: &'static str,
    /// What it is about, in half a sentence.
    pub(crate) what: &'static str,
}

const fn rule(level: Level, name: &'static str, what: &'static str) -> Rule {
    Rule { level, name, what }
}

macro_rules! rules {
    ($($id:ident = $level:expr, $name:literal, $what:literal;)*) => {
        $(pub(super) static $id: Rule = rule($level, $name, $what);)*
        /// All of them, the worst first.
        #[cfg(test)]
        pub(super) static ALL: &[&Rule] = &[$(&$id),*];
    };
}

rules! {
    RM_EVERYTHING = Critical, "rm of everything", "removes the root, a home or a folder of the system";
    RM_UNSET = Critical, "rm of a variable's folder", "removes everything below /, should the variable be empty";
    DEVICE = Critical, "> /dev/…", "writes over a disk";
    DD_DEVICE = Critical, "dd onto a disk", "writes over a disk";
    MKFS = Critical, "mkfs", "makes a new file system where there is one";
    WIPE_DEVICE = Critical, "wiping a disk", "wipefs, shred or blkdiscard of a device";
    PARTITIONS = Critical, "a partition editor", "fdisk, parted and their kin can lose a disk";
    FORK_BOMB = Critical, ":(){ :|:& };:", "starts itself until nothing else can run";
    MODE_ROOT = Critical, "chmod -R of everything", "changes owners or modes of the root, a home or a folder of the system";
    KILL_ALL = Critical, "kill of all processes", "ends every process that it may";
    SYSTEM_FILE = Critical, "writing over a system file", "writes over passwd, shadow, sudoers, fstab or the boot loader's files";
    DROP_DATABASE = Critical, "drop database", "deletes a whole database";
    SUDO_DOWNLOAD = Critical, "download run as root", "runs what a server answers, with all rights";
    DESTROY_POOL = Critical, "zfs destroy, lvremove", "deletes volumes with everything on them";
    CLOUD_ALL = Critical, "a whole cloud resource", "deletes a project, a stack, a cluster, an account's data";
    RM_FORCE = High, "rm -r or -f", "removes folders, or without asking";
    DOWNLOAD = High, "download run unread", "runs what a server answers (curl … | sh)";
    DECODED = High, "decoded and run", "runs what was hidden by an encoding";
    DD = High, "dd of=", "writes over what of= names";
    WIPE = High, "wipefs, shred, blkdiscard", "removes so that it cannot be brought back";
    SHUTDOWN = High, "shutdown, reboot", "ends the machine";
    FIND_DELETE = High, "find -delete", "removes whatever is found";
    MODES = High, "chmod -R, chown -R", "changes owners or modes of whole trees";
    MODE_OPEN = High, "chmod 777", "lets everybody write";
    CRONTAB = High, "crontab -r", "removes all scheduled commands";
    TRUNCATE = High, "truncate, dropdb, userdel", "empties files, removes databases or users";
    GIT_FORCE = High, "git push --force", "replaces what others have";
    GIT_DELETE = High, "git push --delete", "deletes what others have";
    GIT_RESET = High, "git reset --hard", "loses what was not committed";
    GIT_CLEAN = High, "git clean -f", "loses files that git does not know";
    GIT_CHECKOUT = High, "git checkout .", "loses what was not committed";
    GIT_BRANCH = High, "git branch -D", "loses commits of no other branch";
    GIT_STASH = High, "git stash drop", "loses what was put aside";
    GIT_HISTORY = High, "git history rewritten", "filter-branch, filter-repo, reflog expire, gc --prune=now";
    PRUNE = High, "docker prune", "removes containers, images or volumes that are not in use";
    CONTAINERS = High, "docker rm -f, volume rm", "removes running containers or volumes with their data";
    KUBECTL = High, "kubectl delete", "deletes what runs in a cluster";
    HELM = High, "helm uninstall", "deletes what a chart made";
    TERRAFORM = High, "terraform destroy", "deletes what a configuration made";
    APPLY_UNSEEN = High, "terraform apply -auto-approve", "changes infrastructure without showing how";
    CLOUD = High, "deleting in a cloud", "aws, gcloud, az, gsutil or doctl delete something";
    HTTP_DELETE = High, "a request to delete", "asks a server to delete something (curl -X DELETE)";
    DROP_TABLE = High, "drop table", "deletes tables, schemas, indexes or users";
    SQL_ALL = High, "delete or update of every row", "no where, so every row";
    FLUSH = High, "emptying a store", "flushall, dropDatabase and the like";
    FIREWALL = High, "firewall off", "removes all rules, or switches a firewall off";
    ACCESS = High, "letting somebody in", "changes authorized_keys, sudoers, users' groups or passwords";
    SYSTEM_FOLDER = High, "writing below a system folder", "writes over a file of the system";
    SERVICE_OFF = High, "a service switched off for good", "systemctl mask or disable, and what guards a machine";
    HISTORY = High, "covering tracks", "clears a shell's history or the system's logs";
    RSYNC_DELETE = High, "rsync --delete", "removes at the target what the source has not";
    SCRIPT_DELETES = High, "a script that deletes", "a line of Python, Perl, Ruby, Node or awk that removes trees or runs such a command";
    PACKAGES_OUT = High, "removing packages", "removes programs with what depends on them";
    PUBLISH = High, "publishing", "makes a version public, which cannot be taken back everywhere";
    SNAPSHOT = High, "restoring over what is there", "pg_restore --clean, mongorestore --drop, tmutil and the like";
    TOO_LONG = High, "too long to be looked at", "more than 64 KiB";
    TOO_DEEP = High, "too deep to be looked at", "commands within commands within commands";
    SUDO = Moderate, "sudo", "acts with all rights";
    RM = Moderate, "rm", "removes files";
    MOVE = Moderate, "mv, cp -f, ln -f", "may write over what is there";
    OVERWRITE = Moderate, "> file", "writes over a file";
    MODE = Moderate, "chmod, chown", "changes who may do what";
    KILL = Moderate, "kill", "ends processes";
    INSTALL = Moderate, "installing packages", "brings in programs, with what they run while they are installed";
    SERVICE = Moderate, "systemctl start, stop, restart", "changes what runs";
    IN_PLACE = Moderate, "sed -i, perl -i", "changes files in place";
    GIT_CHANGE = Moderate, "git push, rebase, merge", "changes what others see, or commits that are there";
    CONTAINER = Moderate, "docker run, stop, rm", "starts or ends containers";
    CLUSTER = Moderate, "kubectl apply, scale", "changes what runs in a cluster";
    INFRASTRUCTURE = Moderate, "terraform apply", "changes infrastructure, after showing how";
    SQL_CHANGE = Moderate, "SQL that changes data", "insert, update, delete, alter, grant";
    DOWNLOADS = Moderate, "saving a download", "writes what a server answers into a file";
    REMOTE_COPY = Moderate, "copying to another machine", "scp, rsync and sftp to a remote place";
    MOUNT = Moderate, "mount, umount", "changes what is where";
    NETWORK = Moderate, "network settings", "ip, ifconfig, iptables, ufw change how the machine is reached";
    USERS = Moderate, "users and schedules", "useradd, crontab, at";
}
