#!/usr/bin/env bash
# Builds and installs caro for the user who runs this.
#
#   ./install.sh               build, install to ~/.local/bin, hook your shell, start the daemon
#   ./install.sh demo          show the main job in a temporary folder; caro itself is not installed
#   ./install.sh --uninstall   take everything away again, except your data; caro reset, before it, takes that
#
#   --shell bash|zsh|fish      hook this shell (default: the one in $SHELL)
#   --no-shell                 hook none
#   --yes                      answer yes to questions
#   CARO_BIN_DIR=FOLDER        in the environment: install there
#
# It builds with Rust 1.92 or later. The first two install gcc, and the demo zsh and fish, from the system's packages where
# they are missing, as root or with sudo.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
bin=${CARO_BIN_DIR:-$HOME/.local/bin}
data=${XDG_DATA_HOME:-$HOME/.local/share}/caro
spool=${XDG_STATE_HOME:-$HOME/.local/state}/caro
config=${XDG_CONFIG_HOME:-$HOME/.config}/caro
mark='# caro: shell history'
programs=(caro caro-daemon caro-relay)

say() { printf '%s\n' "$*"; }
fail() {
  printf 'install.sh: %s\n' "$1" >&2
  shift
  (($# == 0)) || printf 'hint: %s\n' "$@" >&2
  exit 1
}

yes=0
ask() {  # ask QUESTION: whether the person says yes
  ((yes)) && return 0
  [[ -t 0 ]] || return 1
  local answer
  read -r -p "$1 [y/N] " answer
  [[ $answer == [yY]* ]]
}

as_root() {
  if [[ $(id -u) == 0 ]]; then "$@"; elif command -v sudo >/dev/null; then sudo "$@"; else return 1; fi
}

need_packages() {  # need_packages PROGRAM=PACKAGE…: installs the packages of the programs that are missing
  local pair missing=()
  for pair; do command -v "${pair%%=*}" >/dev/null || missing+=("${pair#*=}"); done
  ((${#missing[@]})) || return 0
  command -v apt-get >/dev/null || fail "these are needed: ${missing[*]}" "install them with your system's package manager"
  say "installing ${missing[*]} from the system's packages"
  as_root apt-get update -qq && as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}" >/dev/null ||
    fail "these could not be installed: ${missing[*]}" "as root: apt-get install ${missing[*]}"
}

is_recent() {  # is_recent VERSION WANTED: whether it is the wanted one or a later one
  [[ $(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1) == "$2" ]]
}

need_cargo() {
  [[ -f $HOME/.cargo/env ]] && . "$HOME/.cargo/env"
  local wanted have offered advice='get it from https://rustup.rs, then run this again'
  wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$here/Cargo.toml" | head -n 1)
  if ! command -v cargo >/dev/null; then
    # Looked at before it is offered: a package that is too old would be installed for nothing.
    offered=$(LC_ALL=C apt-cache policy cargo 2>/dev/null | sed -n 's/^ *Candidate: *//p') || true
    [[ $offered == [0-9]* ]] || fail "cargo is not installed; caro needs $wanted or later" "$advice"
    is_recent "$offered" "$wanted" ||
      fail "cargo is not installed, and the system's package ($offered) is too old; caro needs $wanted or later" "$advice"
    ask "caro is built with cargo, which is not here. Install the system's package ($offered)?" ||
      fail "cargo is not installed; caro needs $wanted or later" "$advice"
    need_packages cargo=cargo
  fi
  have=$(cargo --version | awk '{print $2}')
  is_recent "$have" "$wanted" || fail "cargo $have is too old, caro needs $wanted or later" "$advice"
  command -v cc >/dev/null || need_packages cc=gcc
}

build() {
  need_cargo
  say "building (the first time takes some minutes)"
  (cd "$here" && cargo build --release --locked --quiet -p caro -p caro-daemon -p caro-relay) ||
    fail "the build failed" "the messages above say why; please report them if they make no sense"
  built=$(cd "$here" && cargo metadata --format-version 1 --no-deps --locked |
    sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')/release
}

rc_file() {  # rc_file SHELL: where that shell reads its hook
  case $1 in
    bash) printf '%s\n' "$HOME/.bashrc" ;;
    zsh) printf '%s\n' "${ZDOTDIR:-$HOME}/.zshrc" ;;
    fish) printf '%s\n' "${XDG_CONFIG_HOME:-$HOME/.config}/fish/conf.d/caro.fish" ;;
    *) return 1 ;;
  esac
}

hook_line() {
  case $1 in
    fish) printf "test -x '%s/caro'; and '%s/caro' init fish | source  %s\n" "$bin" "$bin" "$mark" ;;
    *) printf "[ -x '%s/caro' ] && eval \"\$('%s/caro' init %s)\"  %s\n" "$bin" "$bin" "$1" "$mark" ;;
  esac
}

add_hook() {
  local shell=$1 file
  file=$(rc_file "$shell") || {
    say "this puts the hook into bash, zsh and fish; for nushell, PowerShell and xonsh add the line that caro init --help shows"
    return
  }
  if [[ -f $file ]] && LC_ALL=C grep -aqF "$mark" "$file"; then
    say "$file has the hook already"
    return
  fi
  mkdir -p "$(dirname "$file")"
  # A last line without its end must not swallow ours.
  [[ -s $file && -n $(tail -c 1 "$file") ]] && printf '\n' >>"$file"
  hook_line "$shell" >>"$file"
  say "added the hook to $file"
}

remove_hooks() {
  local shell file kept status
  for shell in bash zsh fish; do
    file=$(rc_file "$shell")
    # As bytes: grep would leave out lines that are no text in this locale, and all of a file with a NUL in it.
    [[ -f $file ]] && LC_ALL=C grep -aqF "$mark" "$file" || continue
    # Beside what it may be a link to, with the same mode, and renamed: whatever fails, the file is whole.
    file=$(realpath "$file")
    kept=$(mktemp "$file.XXXXXX") && cp -p "$file" "$kept" || fail "$file cannot be changed" "take out the line with: $mark"
    status=0
    LC_ALL=C grep -avF "$mark" "$file" >"$kept" || status=$?
    if ((status > 1)); then
      rm -f "$kept"
      fail "$file cannot be changed" "take out the line with: $mark"
    fi
    if [[ $shell == fish && ! -s $kept ]]; then rm -f "$kept" "$file"; else mv -f "$kept" "$file"; fi
    say "took the hook out of $file"
  done
}

install_caro() {
  local shell=$1 program
  build
  mkdir -p "$bin"
  for program in "${programs[@]}"; do
    # Beside it and renamed: a running program keeps its file, and nobody ever sees half of one.
    cp "$built/$program" "$bin/.$program.new"
    mv -f "$bin/.$program.new" "$bin/$program"
  done
  say "installed ${programs[*]} to $bin"
  [[ -z $shell ]] || add_hook "$shell"
  "$bin/caro" daemon restart >/dev/null || fail "the daemon did not start" "caro doctor says more"
  say "the daemon runs"
  say
  say "Open a new shell and use it as always. Ctrl-R searches."
  [[ :$PATH: == *:$bin:* ]] || say "To type caro itself, add $bin to your PATH."
  say "Your old history:  $bin/caro import ${shell:-bash}"
  say "A second machine:  $bin/caro sync init --relay ADDRESS   (then sync restore there)"
}

uninstall() {
  local program
  if [[ -x $bin/caro ]]; then
    "$bin/caro" daemon install --remove >/dev/null 2>&1 || true
    "$bin/caro" daemon stop >/dev/null 2>&1 || say "the daemon did not run"
  fi
  remove_hooks
  for program in "${programs[@]}"; do rm -f "$bin/$program"; done
  say "took ${programs[*]} out of $bin"
  say
  say "Your data is still there:"
  for place in "$data" "$spool" "$config"; do [[ -e $place ]] && say "  $place"; done
  say "Remove these folders to be rid of it on this machine. If the key was in the system's secure store, its entry (caro) stays"
  say "there; caro reset, before --uninstall, takes that and the data. Shells that are open now keep their hook until they end."
}

shell=$(basename "${SHELL:-bash}")
action=install
while (($#)); do
  case $1 in
    demo) action=demo ;;
    --uninstall) action=uninstall ;;
    --shell) shift; shell=${1:?--shell needs a name} ;;
    --no-shell) shell= ;;
    --yes | -y) yes=1 ;;
    -h | --help) sed -n '2,15s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) fail "unknown argument: $1" "./install.sh --help" ;;
  esac
  shift
done

case $action in
  install) install_caro "$shell" ;;
  uninstall) uninstall ;;
  demo)
    need_packages zsh=zsh fish=fish script=bsdutils
    build
    exec bash "$here/tests/demo/demo.sh" "$built"
    ;;
esac
