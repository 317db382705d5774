# caro: records each command with bash's own builtins, and puts a found one on the prompt. bash 4.4 and later; 3.1 to
# 4.3 with the gaps that docs/shell-hooks.md lists. Evaluated in ~/.bashrc; evaluating it again changes nothing.
#
# Set before it by `caro init`: __caro_bin (the program), __caro_dir (the spool folder), __caro_sid (empty: one is made),
# __caro_bind_ctrl_r and __caro_bind_up (1 to bind the key), __caro_items (aliases and variables). The records' grammar:
# schema/src/spool.rs.
#
# Rules: no process, no output and no wait per command; `$?`, `$_` and PIPESTATUS stay as they were; whatever fails, fails
# in silence (`2>&-` comes first, so that it also silences the opening of the file). Builtins are called as builtins,
# because people alias and wrap them, and nothing here depends on IFS, on globbing or on `set -u -e -o pipefail`.

if [[ $- == *i* && ${__caro_pid-} != "$$" ]]; then

# ---------------------------------------------------------------------------------------------------------------------
# This run of the shell
# ---------------------------------------------------------------------------------------------------------------------

__caro_pid=$$
__caro_version=$((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1]))
__caro_armed_at=first    # when the line was accepted, 0 once its start is written, `first` before the first prompt
__caro_running=0         # a start without its end is written
__caro_command=          # the last line's first simple command: tells a repeat from a hidden line
__caro_undecided=        # the same of one after it of which only the daemon can tell whether it was hidden
__caro_number=0          # bash's history number when the line was accepted
__caro_number_before=0   # the same, before that line was typed
__caro_directory=$PWD    # the one in which it was typed
__caro_bang='\!'

# What keeps this shell from being recorded, in words, or nothing.
__caro_lacks() {
  __caro_reason=
  if ! { \builtin printf '' && \builtin history 0; } >/dev/null 2>&1; then
    __caro_reason='this bash has no history or no printf builtin'
  elif [[ $- == *r* ]]; then
    __caro_reason='this is a restricted shell'
  elif ! (PROMPT_COMMAND= PS0= HISTTIMEFORMAT=) 2>/dev/null; then
    __caro_reason='PROMPT_COMMAND, PS0 or HISTTIMEFORMAT is read-only'
  fi
  [[ -n $__caro_reason ]]
}

# Chooses the file, which belongs to this run alone, and makes it with a header. Read by nobody but its owner from the
# start; one that the daemon has moved away comes back as the umask says, in a folder that is closed to others.
__caro_open() {
  __caro_session=${__caro_sid-}
  if [[ -z $__caro_session ]]; then
    { \builtin read -r __caro_session </proc/sys/kernel/random/uuid; } 2>/dev/null || __caro_session=
    [[ -n $__caro_session ]] || __caro_session=$$-$RANDOM$RANDOM$RANDOM$RANDOM
  fi
  \builtin local "folder=${__caro_dir:-${CARO_SPOOL:-${XDG_STATE_HOME:-${HOME-}/.local/state}/caro/spool}}"
  __caro_file=$folder/$__caro_session.$$
  # Another user's home, as `sudo` and `su -m` leave it: no files of ours among theirs.
  [[ ! -e $folder || -O $folder ]] || __caro_file=/dev/null
  (
    umask 077
    \builtin printf '\0H1\0s%s\0p%s\0kbash %s\0l%s\0y%s\0h%s\0u%s\0\0' "$__caro_session" "$$" "$BASH_VERSION" \
      "${SHLVL-}" "${SSH_TTY:-${TTY-}}" "${HOSTNAME-}" "${USER:-${LOGNAME-}}" 2>&- >>"$__caro_file"
  ) || :
}

if __caro_lacks; then
  \builtin printf 'caro: %s, so commands are not recorded here\n' "$__caro_reason" >&2
else

__caro_open

# ---------------------------------------------------------------------------------------------------------------------
# bash 4.4 and later: PS0 arms, the first DEBUG (or the next prompt) writes the start, the prompt writes the end
# ---------------------------------------------------------------------------------------------------------------------

if ((__caro_version >= 404)); then

if ((__caro_version >= 500)); then
  # An assignment inside a substring's offset: PS0 is expanded without a process. (No plain `!`: in POSIX mode prompts put
  # the history number in its place.)
  __caro_ps0='${__caro_session:$((__caro_armed_at=${EPOCHREALTIME//[^0-9]/},__caro_number=\!,0)):0}'
  __caro_clock() { __caro_now=${EPOCHREALTIME//[^0-9]/}; }
else
  # Seconds are all the clock there is; the daemon refines them by when the record arrives.
  __caro_ps0='${__caro_session:$((__caro_armed_at=1,__caro_number=\!,0)):0}'
  __caro_clock() { \builtin printf -v __caro_now '%(%s)T000000' -1; }
fi

# What the history number alone does not tell: flags for the daemon. False when bash's own settings hide the line, which
# is then never written.
#
# r: a repeat, which bash did not add again. e: whether the newest entry is this line shows in the entry itself. s: the
# line is as the undecided one before it.
__caro_flag_line() {
  __caro_flags=
  [[ $__caro_number == "$__caro_number_before" ]] || return 0
  # No entry was added. Or, with erasedups, one was and an older one went; or 4.4 counts 1 after `history -c` as before it.
  [[ ${HISTCONTROL-} != *erasedups* && $__caro_number$__caro_version != 1404 ]] || __caro_flags=e
  if [[ ${HISTCONTROL-} != *ignore[sb]* && -z ${HISTIGNORE-} ]]; then
    # Nothing is hidden here.
    __caro_flags+=r
  else
    # Of a line that is met at the prompt nothing is known, and repeats are more than what is hidden.
    case ${HISTCONTROL-} in
      *dups* | *ignoreboth*)
        if [[ -z $1 || $1 == "$__caro_command" ]]; then
          __caro_flags+=r
        elif [[ $__caro_flags == e && $1 == "$__caro_undecided" ]]; then
          __caro_flags+=s
        fi
        ;;
    esac
  fi
  [[ -n $__caro_flags ]]
}

# Once per accepted line. $1: its first simple command, empty where that is not known. $2: the directory in which it was
# typed. $3: `told`, where `$?` and PIPESTATUS are those of what ran before it.
__caro_start() {
  # One statement, because the next one would see its own status.
  __caro_last=$? __caro_lasts="${PIPESTATUS[@]}"
  \builtin local "at=$__caro_armed_at"
  if [[ $at == first ]]; then
    # A line of a start file after the hook, or, if such a line has overwritten PROMPT_COMMAND, the first that is typed.
    __caro_step_in_front
    return 0
  fi
  __caro_armed_at=0
  # Somebody set PROMPT_COMMAND after the hook: without this there would be no end.
  [[ ${PROMPT_COMMAND-} == __caro_precmd* ]] || __caro_first
  [[ $BASH_SUBSHELL == 0 && -o history ]] || return 0
  if [[ $at == 1 ]]; then
    __caro_clock
    at=$__caro_now
  fi
  __caro_flag_line "$1" || return 0
  # A pasted text of several commands is run with no prompt between them: the one before has ended where this one begins.
  if [[ $__caro_running == 1 ]]; then
    [[ -n ${3-} ]] || __caro_last= __caro_lasts=
    \builtin printf '\0E%s\0x%s\0p%s\0\0' "$at" "$__caro_last" "$__caro_lasts" 2>&- >>"$__caro_file" || :
  fi
  case $__caro_flags in
    e | es) __caro_undecided=$1 ;;
    *) __caro_command=$1 __caro_undecided= ;;
  esac
  __caro_running=1 __caro_number_before=$__caro_number
  # The text comes from the history, because BASH_COMMAND is only the first simple command of the line.
  if [[ $__caro_flags != e* && -z ${HISTTIMEFORMAT+x} ]]; then
    {
      \builtin printf '\0S%s\0d%s\0f%s\0h' "$at" "$2" "$__caro_flags"
      \builtin history 1
      \builtin printf '\0\0'
    } 2>&- >>"$__caro_file" || :
  else
    {
      \builtin printf '\0S%s\0d%s\0f%s\0i' "$at" "$2" "$__caro_flags"
      HISTTIMEFORMAT='%s ' \builtin history 1
      \builtin printf '\0\0'
    } 2>&- >>"$__caro_file" || :
  fi
  return 0
}

__caro_end() {
  if [[ -n $__caro_now ]]; then __caro_now=${__caro_now//[^0-9]/}; else __caro_clock; fi
  \builtin printf '\0E%s\0x%s\0p%s\0\0' "$__caro_now" "$__caro_status" "$__caro_statuses" 2>&- >>"$__caro_file" || :
  __caro_running=0
}

__caro_precmd() {
  # One statement, because the next one would see its own status.
  __caro_status=$? __caro_statuses="${PIPESTATUS[@]}" __caro_now=${EPOCHREALTIME-}
  # Nobody fired DEBUG: it belongs to somebody else, or the line was one ( subshell ).
  case $__caro_armed_at in
    0) ;;
    first) __caro_armed_at=0 ;;
    *) __caro_start '' "$__caro_directory" ;;
  esac
  [[ $__caro_running == 0 ]] || __caro_end
  __caro_step_in_front
  # A status that is not 0 would end a shell under `set -e` where somebody else evaluates this.
  [[ $- != *e* ]] || return 0
  return "$__caro_status"
}

# Prompts and editors put themselves in front and swallow the status: step back in front of them, and behind what was added.
__caro_step_in_front() {
  if \builtin shopt -q promptvars; then
    [[ ${PS0-} == *'__caro_armed_at='* ]] || PS0=$__caro_ps0${PS0-}
  else
    # PS0 would be printed as it stands.
    __caro_step_out
  fi
  [[ ${PROMPT_COMMAND-} == __caro_precmd* ]] || __caro_first
  __caro_last_in_line
}

__caro_step_out() {
  [[ -z ${PS0-} ]] || PS0=${PS0/"$__caro_ps0"/}
  [[ -z ${__caro_told-} ]] || return 0
  __caro_told=1
  \builtin printf 'caro: without "shopt -s promptvars" commands are not recorded here\n' >&2
}

__caro_debug() {
  # No command of its own before the call, so that the status is still the one before.
  case $__caro_armed_at in
    0) ;;
    *) __caro_start "$BASH_COMMAND" "$PWD" told ;;
  esac
}

# In front of `&&` a status is kept that neither fires an ERR trap a second time nor ends a shell under `set -e`.
__caro_front='__caro_precmd "$_" && : "$_"'

# `__caro_ready` notes what the next line is compared with. Last, because what a prompt does before it (`history -c;
# history -r`, `cd`) is no doing of that line; with nobody else in line, at once.
if ((__caro_version >= 501)); then
  __caro_first() { PROMPT_COMMAND=("$__caro_front" ${PROMPT_COMMAND[@]+"${PROMPT_COMMAND[@]}"}); }
  __caro_last_in_line() {
    case ${PROMPT_COMMAND[@]: -1} in
      __caro_ready) return 0 ;;
      "$__caro_front") ;;
      *) PROMPT_COMMAND+=(__caro_ready) ;;
    esac
    __caro_ready
  }
  # As an element of its own it need not hand the status on.
  __caro_ready() {
    __caro_directory=$PWD __caro_number_before=${__caro_bang@P}
    # A history of one line and an empty one are both shown as 1.
    [[ ${HISTCMD-} != 1 ]] || __caro_number_before=0
  }
else
  __caro_first() { PROMPT_COMMAND=$__caro_front${PROMPT_COMMAND:+;$PROMPT_COMMAND}; }
  # A line of its own, because what is there may end in a semicolon.
  __caro_back=$'\n__caro_ready "$_" && : "$_"'
  __caro_last_in_line() {
    case ${PROMPT_COMMAND-} in
      *"$__caro_back") return 0 ;;
      "$__caro_front") ;;
      *) PROMPT_COMMAND+=$__caro_back ;;
    esac
    __caro_ready || :
  }
  __caro_ready() {
    __caro_passed=$? __caro_directory=$PWD
    if [[ $__caro_version == 404 ]]; then
      __caro_number_before=$__caro_number    # inside PROMPT_COMMAND 4.4 does not tell the number
    else
      __caro_number_before=${__caro_bang@P}
      [[ ${HISTCMD-} != 1 ]] || __caro_number_before=0
    fi
    [[ $- != *e* ]] || return 0
    return "$__caro_passed"
  }
fi
__caro_first
# The trap is taken only when it is free. Its text begins with one plain word, because others read it back by words.
[[ -n $(\builtin trap -p DEBUG) ]] || \builtin trap '__caro_debug "$_"' DEBUG

# ---------------------------------------------------------------------------------------------------------------------
# bash 3.1 to 4.3: no PS0, a clock of seconds, no history number. Gaps: docs/shell-hooks.md
# ---------------------------------------------------------------------------------------------------------------------

else

__caro_armed=0
__caro_repeat=
# The one process of this branch, at the start of the shell.
: "${__caro_epoch:=$(date +%s)}"
__caro_seconds_before=$SECONDS

__caro_clock() { __caro_now=$((__caro_epoch + SECONDS - __caro_seconds_before))000000; }

# The daemon leaves out what is no new entry by its number and time, unless it is a repeat.
__caro_start() {
  __caro_armed=0
  [[ -o history ]] || return 0
  __caro_clock
  {
    \builtin printf '\0S%s\0d%s\0fn%s\0i' "$__caro_now" "$PWD" "$__caro_repeat"
    HISTTIMEFORMAT='%s ' \builtin history 1
    \builtin printf '\0\0'
  } 2>&- >>"$__caro_file" || :
  __caro_running=1
}

__caro_debug() {
  [[ $__caro_armed == 1 && -z ${COMP_LINE-} && $BASH_SUBSHELL == 0 ]] || return 0
  __caro_repeat=
  [[ $BASH_COMMAND != "$__caro_command" ]] || __caro_repeat=r
  __caro_command=$BASH_COMMAND
  __caro_start
  return 0
}

__caro_precmd() {
  __caro_status=$? __caro_statuses="${PIPESTATUS[@]}"
  if [[ $__caro_armed == 1 ]]; then
    __caro_repeat=
    __caro_start
  fi
  if [[ $__caro_running == 1 ]]; then
    __caro_clock
    \builtin printf '\0E%s\0x%s\0p%s\0\0' "$__caro_now" "$__caro_status" "$__caro_statuses" 2>&- >>"$__caro_file" || :
    __caro_running=0
  fi
  [[ $- != *e* ]] || return 0
  return "$__caro_status"
}

[[ -n $(\builtin trap -p DEBUG) ]] || \builtin trap '__caro_debug "$_"' DEBUG
# Lines, because what is there may end in a semicolon.
PROMPT_COMMAND="__caro_precmd && :
${PROMPT_COMMAND:+$PROMPT_COMMAND
}__caro_armed=1"

fi
fi

# ---------------------------------------------------------------------------------------------------------------------
# Keys: the screen, and what was chosen into the line
# ---------------------------------------------------------------------------------------------------------------------

# What readline does after the screen, through a key that nobody types: nothing, or a command of its own.
__caro_then() {
  \builtin local map
  for map in emacs vi-insert vi-command; do
    \builtin bind -m "$map" "\"\\C-x\\C-_c2\": $1"
  done
}

__caro_screen() {
  \builtin local answer
  # The line goes through a pipe: a here string would be a file for a moment. The dot keeps line ends at the end of the
  # command.
  answer=$(
    \builtin printf '%s' "$READLINE_LINE" |
      "$__caro_bin" screen --result-fd 3 --session "${__caro_session-}" "$@" 3>&1 1>/dev/tty 2>/dev/tty
    \builtin printf .
  )
  answer=${answer%.}
  __caro_then '""'
  case $answer in
    put$'\n'*) ;;
    run$'\n'*) __caro_then accept-line ;;
    *) return 0 ;;
  esac
  # As far right as it goes: versions count bytes or characters.
  READLINE_LINE=${answer#*$'\n'} READLINE_POINT=$((0x7ffffff))
}

__caro_search() {
  if [[ -x $__caro_bin ]]; then __caro_screen; else __caro_then reverse-search-history; fi
}

__caro_up() {
  if [[ -x $__caro_bin && $READLINE_LINE != *$'\n'* ]]; then __caro_screen --up --mode prefix; else __caro_then previous-history; fi
}

# One key runs the screen (1, 3), the next what it decided on (2): a macro is the only way from a function to readline.
if ((__caro_version >= 403)) && [[ -o emacs || -o vi ]]; then
  for __caro_map in emacs vi-insert vi-command; do
    \builtin bind -m "$__caro_map" -x '"\C-x\C-_c1": __caro_search'
    \builtin bind -m "$__caro_map" -x '"\C-x\C-_c3": __caro_up'
    \builtin bind -m "$__caro_map" '"\C-x\C-_c2": ""'
    if [[ ${__caro_bind_ctrl_r-} == 1 ]]; then
      \builtin bind -m "$__caro_map" '"\C-r": "\C-x\C-_c1\C-x\C-_c2"'
    fi
    if [[ ${__caro_bind_up-} == 1 ]]; then
      \builtin bind -m "$__caro_map" '"\e[A": "\C-x\C-_c3\C-x\C-_c2"'
      \builtin bind -m "$__caro_map" '"\eOA": "\C-x\C-_c3\C-x\C-_c2"'
    fi
  done
  \builtin unset __caro_map
fi

fi

# ---------------------------------------------------------------------------------------------------------------------
# What is kept with caro alias and caro env
# ---------------------------------------------------------------------------------------------------------------------

# The daemon keeps the file. Everything in it is quoted, so that reading it runs nothing of what somebody kept; only one's
# own is read, and no link. Behind everything else, because an alias must not get into the functions above.
if [[ $- == *i* && -f ${__caro_items-} && -O ${__caro_items-} && ! -L ${__caro_items-} ]]; then
  { \builtin source "$__caro_items"; } 2>/dev/null || :
fi
