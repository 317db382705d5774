//! Disks, users, processes and the network: what programs do to the machine itself.

use super::{any, harmless, has, is_device, verb};
use crate::safety::{judge::Found, rules};

pub(super) fn disks(name: &str, after: &[&str]) -> Found {
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

pub(super) fn system(name: &str, after: &[&str]) -> Found {
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
