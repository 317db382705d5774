# caro: records each command with bash's own builtins, and puts a found one on the prompt. bash 4.4 and later; 3.1 to
# 4.3 with the gaps that docs/shell-hooks.md lists. Evaluated at the end of ~/.bashrc; sourcing it again does nothing.
#
# Set before it by `caro init`: __caro_bin (the program), __caro_dir (the spool folder), __caro_sid (empty: one is made),
# __caro_bind_ctrl_r and __caro_bind_up (1 to bind the key). The records' grammar: schema/src/spool.rs.
#
# Rules: no process, no output and no wait per command; `$?`, `$_` and PIPESTATUS stay as they were; whatever fails, fails
# in silence (`2>&-` comes first, so that it also silences the opening of the file).

if [[ $- == *i* && ${__caro_pid-} != "$$" ]]; then

# ---------------------------------------------------------------------------------------------------------------------
# This run of the shell
# ---------------------------------------------------------------------------------------------------------------------

__caro_pid=$$
__caro_version=$((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1]))
__caro_armed_at=0     # when the line was accepted, 0 once its start is written
__caro_running=0      # a start without its end is written
__caro_any=0          # something was recorded in this run
__caro_command=       # the last line's first simple command: tells a repeat from a hidden line
__caro_number=0       # bash's history number when the line was accepted
__caro_number_before=0
__caro_bang='\!'

if [[ -z ${__caro_sid-} ]]; then
  { read -r __caro_sid </proc/sys/kernel/random/uuid; } 2>/dev/null || __caro_sid=
  [[ -n $__caro_sid ]] || __caro_sid=$$-$RANDOM$RANDOM$RANDOM$RANDOM
fi
__caro_file=${__caro_dir:-${CARO_SPOOL:-${XDG_STATE_HOME:-$HOME/.local/state}/caro/spool}}/$__caro_sid.$$
printf '\0H1\0s%s\0p%s\0kbash %s\0l%s\0y%s\0h%s\0u%s\0\0' \
  "$__caro_sid" "$$" "$BASH_VERSION" "${SHLVL-}" "${SSH_TTY:-${TTY-}}" "${HOSTNAME-}" "${USER-}" 2>&- >>"$__caro_file" || :

# ---------------------------------------------------------------------------------------------------------------------
# bash 4.4 and later: PS0 arms, the first DEBUG (or the next prompt) writes the start, the prompt writes the end
# ---------------------------------------------------------------------------------------------------------------------

if ((__caro_version >= 404)); then

if ((__caro_version >= 500)); then
  # An assignment inside a substring's offset: PS0 is expanded without a process.
  __caro_ps0='${__caro_sid:$((__caro_armed_at=${EPOCHREALTIME//[!0-9]/},__caro_number=\!,0)):0}'
  __caro_clock() { __caro_now=${EPOCHREALTIME//[!0-9]/}; }
else
  # Seconds are all the clock there is; the daemon refines them by when the record arrives.
  __caro_ps0='${__caro_sid:$((__caro_armed_at=1,__caro_number=\!,0)):0}'
  __caro_clock() { printf -v __caro_now '%(%s)T000000' -1; }
fi

# Once per accepted line. $1: its first simple command.
__caro_start() {
  local at=$__caro_armed_at flags= dated=0
  __caro_armed_at=0
  [[ $BASH_SUBSHELL == 0 && -o history ]] || return 0
  if [[ $at == 1 ]]; then
    __caro_clock
    at=$__caro_now
  fi
  if [[ $__caro_number == "$__caro_number_before" ]]; then
    # The line added no entry: HISTCONTROL or HISTIGNORE was at work. A hidden line is never written.
    case ${HISTCONTROL-} in
      *erasedups*) flags=e dated=1 ;;     # the number may stay although an entry was added: the daemon looks at its time
      *ignoredups* | *ignoreboth*)
        [[ $1 == "$__caro_command" ]] || return 0
        flags=r
        ;;
      *) return 0 ;;
    esac
  fi
  __caro_command=$1 __caro_running=1 __caro_any=1
  # The text comes from the history, because BASH_COMMAND is only the first simple command of the line.
  if [[ $dated == 0 && -z ${HISTTIMEFORMAT+x} ]]; then
    { printf '\0S%s\0d%s\0f%s\0h' "$at" "$PWD" "$flags"; builtin history 1; printf '\0\0'; } 2>&- >>"$__caro_file" || :
  else
    { printf '\0S%s\0d%s\0f%s\0i' "$at" "$PWD" "$flags"; HISTTIMEFORMAT='%s ' builtin history 1; printf '\0\0'; } \
      2>&- >>"$__caro_file" || :
  fi
  return 0
}

__caro_precmd() {
  local status=$? statuses="${PIPESTATUS[@]}" at=${EPOCHREALTIME-}
  # Nobody fired DEBUG: it belongs to somebody else, or the line was one ( subshell ).
  [[ $__caro_armed_at == 0 ]] || __caro_start "_ $1"
  if [[ $__caro_running != 0 ]]; then
    if [[ -n $at ]]; then
      at=${at//[!0-9]/}
    else
      __caro_clock
      at=$__caro_now
    fi
    printf '\0E%s\0x%s\0p%s\0\0' "$at" "$status" "$statuses" 2>&- >>"$__caro_file" || :
    __caro_running=0
  fi
  if [[ $__caro_version == 404 ]]; then
    __caro_number_before=$__caro_number    # inside PROMPT_COMMAND 4.4 does not tell the number
  else
    __caro_number_before=${__caro_bang@P}
    [[ $__caro_number_before$__caro_any != 10 ]] || __caro_number_before=0
  fi
  # Prompts and editors put themselves in front and swallow the status: step back in front of them.
  [[ ${PS0-} == *'__caro_armed_at='* ]] || PS0=$__caro_ps0${PS0-}
  [[ ${PROMPT_COMMAND-} == __caro_precmd* ]] || __caro_first
  return "$status"
}

__caro_debug() {
  [[ $__caro_armed_at == 0 ]] || __caro_start "$BASH_COMMAND"
}

# The trap is taken only when it is free. Its text begins with one plain word, because others read it back by words.
[[ -n $(trap -p DEBUG) ]] || trap '__caro_debug "$_"' DEBUG
if ((__caro_version >= 501)); then
  __caro_first() { PROMPT_COMMAND=('__caro_precmd "$_"' ${PROMPT_COMMAND[@]+"${PROMPT_COMMAND[@]}"}); }
else
  __caro_first() { PROMPT_COMMAND='__caro_precmd "$_"'${PROMPT_COMMAND:+;$PROMPT_COMMAND}; }
fi
__caro_first

# ---------------------------------------------------------------------------------------------------------------------
# bash 3.1 to 4.3: no PS0, a clock of seconds, no history number. Gaps: docs/shell-hooks.md
# ---------------------------------------------------------------------------------------------------------------------

else

__caro_armed=0
__caro_repeat=
# The one process of this branch, at the start of the shell.
: "${__caro_epoch:=$(date +%s)}"
__caro_seconds_before=$SECONDS

__caro_write_start() {
  [[ -o history ]] || return 0
  {
    printf '\0S%s\0d%s\0fn%s\0i' "$((__caro_epoch + SECONDS - __caro_seconds_before))000000" "$PWD" "$__caro_repeat"
    HISTTIMEFORMAT='%s ' builtin history 1
    printf '\0\0'
  } 2>&- >>"$__caro_file" || :
  __caro_running=1
}

__caro_debug() {
  [[ $__caro_armed == 1 && -z ${COMP_LINE-} && $BASH_SUBSHELL == 0 ]] || return 0
  __caro_armed=0 __caro_repeat=
  [[ $BASH_COMMAND != "$__caro_command" ]] || __caro_repeat=r
  __caro_command=$BASH_COMMAND
  __caro_write_start
  return 0
}

__caro_precmd() {
  local status=$? statuses="${PIPESTATUS[@]}"
  if [[ $__caro_armed == 1 ]]; then
    __caro_armed=0 __caro_repeat=
    __caro_write_start
  fi
  [[ $__caro_running != 1 ]] ||
    printf '\0E%s\0x%s\0p%s\0\0' "$((__caro_epoch + SECONDS - __caro_seconds_before))000000" "$status" "$statuses" \
      2>&- >>"$__caro_file" || :
  __caro_running=0
  return "$status"
}

[[ -n $(trap -p DEBUG) ]] || trap '__caro_debug "$_"' DEBUG
PROMPT_COMMAND="__caro_precmd${PROMPT_COMMAND:+;$PROMPT_COMMAND};__caro_armed=1"

fi

# ---------------------------------------------------------------------------------------------------------------------
# Keys: the screen, and what was chosen into the line
# ---------------------------------------------------------------------------------------------------------------------

# What readline does after the screen, through a key that nobody types: nothing, or a command of its own.
__caro_then() {
  local map
  for map in emacs vi-insert vi-command; do
    bind -m "$map" "\"\\C-x\\C-_c2\": $1"
  done
}

__caro_screen() {
  local answer
  # The text goes through a pipe: a here string would be a file for a moment.
  answer=$(printf '%s' "$READLINE_LINE" |
    "$__caro_bin" screen --result-fd 3 --session "$__caro_sid" "$@" 3>&1 1>/dev/tty 2>/dev/tty; printf .)
  answer=${answer%.}
  __caro_then '""'
  case $answer in
    put$'\n'*) READLINE_LINE=${answer#*$'\n'} READLINE_POINT=$((1 << 20)) ;;
    run$'\n'*)
      READLINE_LINE=${answer#*$'\n'} READLINE_POINT=$((1 << 20))
      __caro_then accept-line
      ;;
  esac
  ((READLINE_POINT <= ${#READLINE_LINE})) || READLINE_POINT=${#READLINE_LINE}
}

__caro_search() {
  if [[ -x $__caro_bin ]]; then __caro_screen; else __caro_then reverse-search-history; fi
}

__caro_up() {
  if [[ -x $__caro_bin && $READLINE_LINE != *$'\n'* ]]; then __caro_screen --up; else __caro_then previous-history; fi
}

if ((__caro_version >= 403)) && [[ -o emacs || -o vi ]]; then
  for __caro_map in emacs vi-insert vi-command; do
    bind -m "$__caro_map" -x '"\C-x\C-_c1": __caro_search'
    bind -m "$__caro_map" -x '"\C-x\C-_c3": __caro_up'
    bind -m "$__caro_map" '"\C-x\C-_c2": ""'
    if [[ ${__caro_bind_ctrl_r-} == 1 ]]; then
      bind -m "$__caro_map" '"\C-r": "\C-x\C-_c1\C-x\C-_c2"'
    fi
    if [[ ${__caro_bind_up-} == 1 ]]; then
      bind -m "$__caro_map" '"\e[A": "\C-x\C-_c3\C-x\C-_c2"'
      bind -m "$__caro_map" '"\eOA": "\C-x\C-_c3\C-x\C-_c2"'
    fi
  done
  unset __caro_map
fi

fi
