#!/usr/bin/env bash
# Shows the main job with the programs in the folder $1: a relay, a laptop and a desktop (two homes), commands typed in
# real shells on the laptop and found on the desktop. Everything is in one temporary folder, which goes at the end.
set -euo pipefail
programs=$(cd "$1" && pwd)
PATH=$programs:$PATH
place=$(mktemp -d "${TMPDIR:-/tmp}/caro-demo.XXXXXX")
relay_pid= typist_pid=

say() { printf '%s\n' "$*"; }
step() { printf '\n\033[1m%s\033[0m\n' "$*"; }

at() {  # at HOME COMMAND…: runs it as the user of that home, with nothing of this user's environment
  local home=$place/$1
  shift
  env -i HOME="$home" XDG_RUNTIME_DIR="$home/run" PATH="$PATH" LANG=C.UTF-8 TERM=xterm-256color USER="${USER:-user}" "$@"
}

clean() {
  local status=$?
  [[ -z $typist_pid ]] || kill "$typist_pid" 2>/dev/null || true
  for home in laptop desktop; do
    [[ -d $place/$home ]] && at "$home" caro daemon stop >/dev/null 2>&1 || true
  done
  if [[ -n $relay_pid ]]; then
    kill "$relay_pid" 2>/dev/null || true
    wait "$relay_pid" 2>/dev/null || true
  fi
  rm -rf "$place"
  ((status == 0)) || say "the demo failed"
  exit "$status"
}
trap clean EXIT
trap 'exit 130' INT TERM

wait_for() {  # wait_for WHAT COMMAND…: until it succeeds, at most thirty seconds
  local what=$1 tries=0
  shift
  until "$@"; do
    ((++tries < 3000)) || { say "waited thirty seconds for $what"; exit 1; }
    sleep 0.01
  done
}

step "A relay, with no configuration"
mkdir -p "$place/relay"
env -i HOME="$place/relay" PATH="$PATH" caro-relay serve --listen 127.0.0.1:0 --data "$place/relay/data" \
  >"$place/relay/out" 2>"$place/relay/err" &
relay_pid=$!
wait_for "the relay" grep -q 'caro sync init --relay ' "$place/relay/out"
line=$(grep -m 1 'caro sync init --relay ' "$place/relay/out")
address=${line##* }
say "  it says:  $line"

step "Two machines (two homes)"
for home in laptop desktop; do
  mkdir -p -m 700 "$place/$home" "$place/$home/run" "$place/$home/.config/fish/conf.d"
  # Or fish reads all manual pages in the background, and writes here after the end.
  mkdir -p "$place/$home/.local/share/fish/generated_completions"
  printf "PS1='%s\$ '\neval \"\$(caro init bash)\"\n" "$home" >"$place/$home/.bashrc"
  printf "PS1='%s%%%% '\neval \"\$(caro init zsh)\"\n" "$home" >"$place/$home/.zshrc"
  printf "function fish_prompt; printf '%s> '; end\nset -g fish_greeting\ncaro init fish | source\n" "$home" \
    >"$place/$home/.config/fish/conf.d/caro.fish"
  at "$home" caro daemon start >/dev/null
done
at laptop caro sync init --relay "$address" --name laptop --yes >"$place/words"
phrase=$(grep -oE '^[[:space:]0-9.]*([a-z]+[[:space:]0-9.]*){3,}$' "$place/words" | grep -oE '[a-z]+' | tail -n 24 | tr '\n' ' ')
rm "$place/words"
say "  laptop:   caro sync init     → 24 words on its screen, shown once"
at desktop caro sync restore --relay "$address" --name desktop --phrase-stdin <<<"$phrase" >/dev/null
unset phrase
say "  desktop:  caro sync restore  ← the 24 words, and nothing else"

now_ms() { local now=${EPOCHREALTIME/[.,]/}; printf '%s' "${now%???}"; }

shows() { at desktop caro history list --limit 20 --commands 2>/dev/null | grep -qF -- "$1"; }

start_shell() {  # start_shell NAME COMMAND…: on a terminal of its own, fed through a pipe
  local name=$1
  shift
  mkfifo "$place/keys.$name"
  at laptop script -qefc "$*" /dev/null <"$place/keys.$name" >"$place/screen.$name" 2>&1 &
  typist_pid=$!
  exec 9>"$place/keys.$name"
  wait_for "the prompt of $name" grep -q 'laptop' "$place/screen.$name"
}

type_line() {  # type_line SHELL TEXT: types it and says how long until the desktop has it
  printf '%s\r' "$2" >&9
  local begun ended
  begun=$(now_ms)
  wait_for "the desktop" shows "$2"
  ended=$(now_ms)
  printf '  %-5s %-46s on the desktop after %4d ms\n' "$1" "$2" "$((ended - begun))"
}

end_shell() {
  printf 'exit\r' >&9
  exec 9>&-
  wait "$typist_pid" || true
  typist_pid=
}

step "Typed on the laptop, found on the desktop"
start_shell bash bash -i
type_line bash 'echo canary-bash-1 "with a second word"'
type_line bash 'for n in 1 2 3; do echo canary-bash-$n; done'
end_shell
start_shell zsh zsh -i
type_line zsh 'echo canary-zsh-1 | tr a-z A-Z'
type_line zsh 'false && echo canary-zsh-2'
end_shell
start_shell fish fish -i
type_line fish 'echo canary-fish-1; true'
type_line fish 'string repeat -n 2 canary-fish-'
end_shell

step "What the desktop finds"
at desktop caro search canary | sed 's/^/  /'

files_with() {  # files_with TEXT FOLDER: how many of its files hold the text
  { grep -rlaF -- "$1" "$2" || true; } | wc -l
}

step "What the relay has"
at laptop caro sync now >/dev/null
found=$(files_with canary "$place/relay")
size=$(du -sk "$place/relay/data" | cut -f 1)
say "  $size KiB in its folder; the typed text is in $found of its files"
((found == 0)) || exit 1
for home in laptop desktop; do
  found=$(files_with canary "$place/$home/.local/share/caro")
  say "  and in $found of the $home's database files"
  ((found == 0)) || exit 1
done

step "Done; nothing is left behind"
