# caro: records each command with zsh's own builtins, and puts a found one on the prompt. zsh 5.1 and later. Evaluated in
# ~/.zshrc; evaluating it again changes nothing.
#
# Set before it by `caro init`: __caro_bin (the program), __caro_dir (the spool folder), __caro_sid (empty: one is made),
# __caro_bind_ctrl_r and __caro_bind_up (1 to bind the key). The records' grammar: schema/src/spool.rs.
#
# Rules: no process, no output and no wait per command; `$?` and pipestatus stay as they were; whatever fails, fails in
# silence. Builtins are called as builtins, because people alias and wrap them, and what depends on options runs under
# zsh's own.

if [[ -o interactive && ${__caro_pid-} != $$ ]]; then

typeset -gi __caro_pid=$$
if ! \builtin zmodload zsh/datetime 2>/dev/null; then
  \builtin print -u2 -r -- 'caro: this zsh has no zsh/datetime module, so commands are not recorded here'
else

# ---------------------------------------------------------------------------------------------------------------------
# This run of the shell
# ---------------------------------------------------------------------------------------------------------------------

typeset -gi __caro_running=0 __caro_number=0 __caro_status=0
typeset -g __caro_session= __caro_file= __caro_statuses= __caro_now=
typeset -gA __caro_own_widget

# Chooses the file, which belongs to this run alone, and makes it with a header. Read by nobody but its owner from the
# start; one that the daemon has moved away comes back as the umask says, in a folder that is closed to others.
__caro_open() {
  \builtin emulate -L zsh
  \builtin local folder=${__caro_dir:-${CARO_SPOOL:-${XDG_STATE_HOME:-${HOME-}/.local/state}/caro/spool}}
  __caro_session=${__caro_sid-}
  [[ -n $__caro_session ]] || { \builtin read -r __caro_session </proc/sys/kernel/random/uuid; } 2>/dev/null
  [[ -n $__caro_session ]] || __caro_session=$$-${epochtime[1]}${epochtime[2]}-$RANDOM$RANDOM
  [[ -d $folder ]] || { \builtin zmodload -F zsh/files b:zf_mkdir && zf_mkdir -p -m 700 $folder; } 2>/dev/null
  __caro_file=$folder/$__caro_session.$$
  # Another user's home, as `sudo` and `su -m` leave it: no files of ours among theirs.
  [[ ! -e $folder || -O $folder ]] || __caro_file=/dev/null
  (
    umask 077
    __caro_put $'\0H1\0s'$__caro_session$'\0p'$$$'\0kzsh '$ZSH_VERSION$'\0l'${SHLVL-}$'\0y'${TTY-}$'\0h'${HOST-}$'\0u'${USERNAME-}$'\0\0'
  )
}

# One open, write and close per record, so that no child inherits a descriptor and a removed file comes back.
__caro_put() {
  { \builtin print -rn -- "$1" >>|$__caro_file; } 2>/dev/null
  return 0
}

# ---------------------------------------------------------------------------------------------------------------------
# Start and end of a command
# ---------------------------------------------------------------------------------------------------------------------

# $1: the line as it was typed, empty when history is off. $2: the same as zsh understood it, aliases replaced.
__caro_preexec() {
  \builtin local -i __caro_plain_globs=0
  [[ -o extendedglob ]] || __caro_plain_globs=1
  \builtin emulate -L zsh -o extendedglob
  __caro_running=0
  [[ -n ${1-} && $ZSH_SUBSHELL == 0 ]] || return 0
  # The last recorded line did not get into the history: a zshaddhistory filter refused it. (Or it was a repeat under
  # hist_ignore_dups, of which the newest stays.)
  \builtin local retract=
  __caro_clock
  (( HISTCMD == __caro_number && $+functions[zshaddhistory] + ${#zshaddhistory_functions} )) && retract=$'\0X\0\0'
  __caro_number=0
  if __caro_is_hidden "$1" "${2-}"; then
    [[ -z $retract ]] || __caro_put $retract
    return 0
  fi
  __caro_number=$HISTCMD __caro_running=1
  __caro_put $retract$'\0S'$__caro_now$'\0d'$PWD$'\0c'${1//$'\0'/}$'\0\0'
}

# Microseconds since 1970. Both numbers are read at once, and cut as text: force_float turns a division into a fraction.
__caro_clock() {
  \builtin local -a now
  now=($epochtime)
  __caro_now=$now[1]${${(l:9::0:)now[2]}[1,6]}
}

# Whether zsh's own settings keep a line out of its history. It is then never written.
__caro_is_hidden() {
  # An alias may be what begins with the blank.
  if [[ -o histignorespace ]] && [[ $1 == ' '* || ${aliases[${1%%[[:space:]]*}]-} == ' '* ]]; then return 0; fi
  if [[ -o histnostore ]]; then
    case ${2#builtin } in
      history|history\ *|r|r\ *|fc\ -[^\ ]#l*) return 0 ;;
    esac
  fi
  if [[ -o histnofunctions ]] && [[ $2 == [^[:space:]]##' () '* || $2 == '() '* ]]; then return 0; fi
  [[ -n ${HISTORY_IGNORE-} ]] && __caro_is_ignored "$1"
}

# Whether HISTORY_IGNORE has a line, read as the shell's own options read it. A pattern that is none matches nothing.
__caro_is_ignored() {
  \builtin emulate -L zsh
  (( __caro_plain_globs )) || \builtin setopt extendedglob
  \builtin local -i miss=1
  {
    { [[ $1 == ${~HISTORY_IGNORE} ]] && miss=0; } always { TRY_BLOCK_ERROR=0; }
  } 2>/dev/null
  return miss
}

__caro_precmd() {
  # One statement: the next one would already see its own status.
  __caro_status=$? __caro_statuses="${(j: :)pipestatus[@]}"
  (( __caro_running )) || return 0
  \builtin emulate -L zsh
  __caro_clock
  __caro_put $'\0E'$__caro_now$'\0x'$__caro_status$'\0p'$__caro_statuses$'\0\0'
  __caro_running=0
}

() {
  \builtin emulate -L zsh
  \builtin typeset -ga preexec_functions precmd_functions
  __caro_open
  preexec_functions=(${preexec_functions:#__caro_preexec} __caro_preexec)
  # First, so that others' prompt code is not counted to the command.
  precmd_functions=(__caro_precmd ${precmd_functions:#__caro_precmd})
}

fi

# ---------------------------------------------------------------------------------------------------------------------
# Keys: the screen, and what was chosen into the line
# ---------------------------------------------------------------------------------------------------------------------

__caro_screen() {
  \builtin emulate -L zsh
  \builtin local answer
  \builtin zle -I
  # The dot keeps line ends at the end of the command.
  answer=$(
    \builtin print -rn -- "$BUFFER" |
      "$__caro_bin" screen --result-fd 3 --session "${__caro_session-}" "$@" 3>&1 1>/dev/tty 2>/dev/tty
    \builtin print -n .
  )
  answer=${answer%.}
  case $answer in
    (put$'\n'*|run$'\n'*) BUFFER=${answer#*$'\n'} CURSOR=$#BUFFER ;;
  esac
  \builtin zle reset-prompt
  [[ $answer != run$'\n'* ]] || \builtin zle accept-line
}

__caro_search() {
  if [[ -x $__caro_bin ]]; then __caro_screen; else __caro_own history-incremental-search-backward; fi
}

# Within a line of several, up moves.
__caro_up() {
  if [[ -x $__caro_bin && $LBUFFER != *$'\n'* ]]; then __caro_screen --up; else __caro_own up-line-or-history; fi
}

# What the key did before. $1: what it does in a zsh that nobody has changed.
__caro_own() {
  \builtin emulate -L zsh
  \builtin zle ${__caro_own_widget[$KEYS]:-$1}
}

__caro_bind() {
  \builtin emulate -L zsh
  \builtin local key=$1 map own
  own=${"$(\builtin bindkey -M main $key 2>/dev/null)"##* }
  case $own in
    (''|undefined-key|__caro_*) ;;
    (*) __caro_own_widget[${(g:ec:)key}]=$own ;;
  esac
  for map in emacs viins vicmd; do \builtin bindkey -M $map $key $2; done
}

if [[ -o zle ]]; then
  \builtin zle -N __caro_search
  \builtin zle -N __caro_up
  if [[ ${__caro_bind_ctrl_r-} == 1 ]]; then
    __caro_bind '^R' __caro_search
  fi
  if [[ ${__caro_bind_up-} == 1 ]]; then
    __caro_bind '^[[A' __caro_up
    __caro_bind '^[OA' __caro_up
  fi
fi

fi
