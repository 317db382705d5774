//! What sort of thing a program is for, as counts have it. A person's own programs, and those that nobody put into the
//! table, are `other`. Names of categories are in counts that sync: one that is renamed counts anew.

use super::words::used;

/// The category of a line: that of the first program that it runs.
pub(crate) fn category_of(line: &[u8]) -> &'static str {
    let program = used(line).first().map(|used| String::from_utf8_lossy(used.program).into_owned());
    category(program.as_deref().unwrap_or_default())
}

/// The category of a program, by its name without a path.
fn category(program: &str) -> &'static str {
    // `python3.12` is `python`, `gcc-13` is `gcc`.
    let plain = program.trim_end_matches(|sign: char| sign.is_ascii_digit() || matches!(sign, '.' | '-'));
    let is_in = |names: &str, name: &str| names.split_ascii_whitespace().any(|known| known == name);
    let find = |name: &str| TABLE.iter().find(|(_, names)| is_in(names, name)).map(|(category, _)| *category);
    find(program).or_else(|| find(plain)).unwrap_or("other")
}

/// Categories with the programs in them.
const TABLE: &[(&str, &str)] = &[
    (
        "files",
        "ls ll la l eza exa lsd tree cd pushd popd pwd z zoxide j cp mv rm rmdir mkdir touch ln stat file du df ncdu \
         dust chmod chown chgrp chattr lsattr getfacl setfacl mktemp rsync dd sync truncate install tar gzip gunzip \
         bzip2 xz zstd unzip zip 7z 7za ar cpio basename dirname realpath readlink trash mount umount lsblk blkid \
         fdisk parted mkfs ranger nnn lf yazi mc vifm md5sum sha1sum sha256sum sha512sum b3sum cksum shred",
    ),
    (
        "text",
        "cat bat less more head tail grep egrep fgrep rg ag ack sed awk gawk mawk perl cut sort uniq wc tr paste join \
         comm diff cmp patch delta tee column fold fmt nl rev tac split csplit expand iconv jq yq xq dasel fx gron \
         xmllint strings xxd hexdump od pandoc printf echo envsubst sd choose",
    ),
    ("search", "find fd locate mlocate plocate updatedb fzf sk which whereis type whatis apropos man tldr info help"),
    ("versions", "git jj hg svn fossil bzr cvs gh glab hub tig lazygit gitui git-lfs pre-commit"),
    (
        "network",
        "curl wget http https httpie xh ssh scp sftp mosh telnet nc ncat netcat socat ping ping6 traceroute tracepath \
         mtr dig drill nslookup host whois ip ifconfig route ss netstat lsof nmap tcpdump tshark iptables nft ufw \
         firewall-cmd nmcli iw iwctl wg wg-quick openvpn tailscale rclone aria2c yt-dlp ftp lftp autossh ssh-keygen \
         ssh-add ssh-copy-id",
    ),
    (
        "containers",
        "docker podman docker-compose podman-compose nerdctl ctr crictl buildah skopeo kubectl oc k9s helm kustomize \
         minikube kind k3s k3d stern lxc incus virsh qemu-system-x86_64 vagrant distrobox toolbox flatpak-builder",
    ),
    (
        "cloud",
        "aws az gcloud gsutil doctl hcloud fly flyctl heroku vercel netlify wrangler terraform tofu pulumi ansible \
         ansible-playbook packer vault consul nomad salt puppet chef sops",
    ),
    (
        "packages",
        "apt apt-get apt-cache dpkg aptitude dnf yum rpm zypper pacman yay paru apk brew port snap flatpak nix \
         nix-env nix-shell nixos-rebuild guix emerge xbps-install pip pipx uv poetry conda mamba npm pnpm yarn bun \
         npx gem bundle composer cpan luarocks opam cabal stack mix hex asdf mise rustup sdk winget scoop choco pkg",
    ),
    (
        "build",
        "make gmake cmake ninja meson just task bazel buck gradle gradlew mvn mvnw ant cargo go zig gcc g++ clang \
         clang++ cc c++ ld rustc javac kotlinc scalac sbt swiftc swift ghc tsc esbuild vite webpack rollup turbo nx \
         dotnet msbuild scons autoconf automake configure pytest tox nox jest vitest ctest rake gdb lldb valgrind \
         strace ltrace perf",
    ),
    (
        "languages",
        "python ipython node deno ruby irb php lua luajit java julia R Rscript octave ghci iex erl clj sbcl guile \
         racket ts-node jupyter bc dc",
    ),
    ("editors", "vi vim nvim emacs emacsclient nano micro hx helix kak code codium subl ed joe pico edit kate gedit"),
    (
        "system",
        "systemctl service journalctl loginctl launchctl dmesg uname hostname uptime who w whoami id groups useradd \
         usermod userdel passwd su sudo doas date timedatectl localectl lscpu lspci lsusb free vmstat iostat sar \
         sysctl modprobe lsmod insmod rmmod reboot shutdown poweroff halt crontab at cron swapon swapoff ulimit nice \
         renice taskset",
    ),
    (
        "processes",
        "ps top htop btop kill killall pkill pgrep pidof jobs fg bg disown nohup watch xargs parallel time timeout \
         sleep wait",
    ),
    (
        "databases",
        "psql pg_dump pg_restore createdb dropdb mysql mysqldump mariadb sqlite3 sqlite redis-cli mongo mongosh \
         clickhouse-client duckdb usql pgcli mycli cqlsh influx etcdctl",
    ),
    (
        "shell",
        "alias unalias export set unset source eval exec exit logout history clear reset true false test read trap \
         declare local typeset bash zsh fish sh dash nu xonsh pwsh tmux screen zellij direnv caro atuin fc bind \
         bindkey complete starship chezmoi stow",
    ),
    (
        "security",
        "gpg gpg2 age rage openssl pass gopass op bw keyctl certbot step cosign ssh-agent tpm2 yubikey-manager ykman",
    ),
    ("media", "ffmpeg ffprobe convert magick mogrify identify mpv vlc sox exiftool gs pdftk qpdf pdftotext feh imv"),
    ("assistants", "claude codex gemini aider cursor copilot ollama llm goose opencode amp q"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_have_a_category_with_their_version_or_without() {
        for (program, expected) in [
            ("ls", "files"),
            ("git", "versions"),
            ("python3.12", "languages"),
            ("gcc-13", "build"),
            ("7z", "files"),
            ("sha256sum", "files"),
            ("pip3", "packages"),
            ("my-own-thing", "other"),
            ("", "other"),
            ("3", "other"),
        ] {
            assert_eq!(category(program), expected, "{program}");
        }
    }

    #[test]
    fn no_program_is_in_two_categories_and_names_are_plain() {
        let mut seen = std::collections::BTreeMap::new();
        for (category, names) in TABLE {
            assert!(category.chars().all(|sign| sign.is_ascii_lowercase()), "{category}");
            for name in names.split_ascii_whitespace() {
                assert_eq!(seen.insert(name, category), None, "{name} is in two");
            }
        }
    }
}
