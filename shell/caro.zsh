# caro: records each command with zsh's own builtins, and puts a found one on the prompt. zsh 5.1 and later. Evaluated in
# ~/.zshrc; evaluating it again changes nothing.
#
# Set before it by `caro init`: __caro_bin (the program), __caro_dir (the spool folder), __caro_sid (empty: one is made),
# __caro_bind_ctrl_r and __caro_bind_up (1 to bind the key), __caro_items (aliases and variables), __caro_sock (the daemon's
# socket). The records' grammar: schema/src/spool.rs.
#
# Rules: no process, no output and no wait per command; `$?` and pipestatus stay as they were; whatever fails, fails in
# silence. Builtins are called as builtins, because people alias and wrap them, and what depends on options runs under
# zsh's own.

if [[ -o interactive && ${__caro_pid-} != $$ ]]; then

\builtin typeset -gi __caro_pid="$$"
if ! \builtin zmodload zsh/datetime 2>/dev/null; then
  \builtin print -u2 -r -- 'caro: this zsh has no zsh/datetime module, so commands are not recorded here'
else

# ---------------------------------------------------------------------------------------------------------------------
# This run of the shell
# ---------------------------------------------------------------------------------------------------------------------

\builtin typeset -gi __caro_running=0 __caro_ran=0 __caro_number=0 __caro_number_before=0 __caro_status=0
\builtin typeset -g __caro_session= __caro_file= __caro_statuses= __caro_now= __caro_retract= __caro_nul= __caro_blank=
\builtin typeset -gA __caro_own_widget

# Chooses the file, which belongs to this run alone, and makes it with a header. Read by nobody but its owner from the
# start; one that the daemon has moved away comes back as the umask says, in a folder that is closed to others.
__caro_open() {
  \builtin emulate -L zsh
  \builtin local folder=${__caro_dir:-${CARO_SPOOL:-${XDG_STATE_HOME:-${HOME-}/.local/state}/caro/spool}}
  # Under posix_strings, later, this could not be written.
  __caro_nul=$'\0'
  __caro_session=${__caro_sid-}
  [[ -n $__caro_session ]] || { \builtin read -r __caro_session </proc/sys/kernel/random/uuid; } 2>/dev/null
  [[ -n $__caro_session ]] || __caro_session=$$-$EPOCHREALTIME-$RANDOM$RANDOM
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
  { \builtin print -rn -- "$1" >>|"$__caro_file"; } 2>/dev/null
  return 0
}

# ---------------------------------------------------------------------------------------------------------------------
# Start and end of a command. `emulate` would cost as much as all the rest, so what runs at each prompt does without:
# everything is quoted, nothing counts array elements, nothing divides. `typeset -g`, because `warn_nested_var` has a word
# to say about plain assignments.
# ---------------------------------------------------------------------------------------------------------------------

# $1: the line as it was typed, empty when history is off. $2: the same as zsh understood it, aliases replaced.
__caro_preexec() {
  \builtin typeset -g __caro_now="${EPOCHREALTIME/[.,]/}" __caro_running=0 __caro_retract= \
    __caro_number_before="$__caro_number" __caro_number=0
  if [[ -z "${1-}" || "$ZSH_SUBSHELL" != 0 ]]; then
    \builtin typeset -g __caro_number="$__caro_number_before"
    return 0
  fi
  if [[ "$HISTCMD" == "$__caro_number_before" ]] && __caro_has_filter; then
    # The last recorded line did not get into the history: the filter refused it. (Or it was a repeat under
    # hist_ignore_dups, of which the newest stays.)
    \builtin typeset -g __caro_retract="${__caro_nul}X$__caro_nul$__caro_nul"
  fi
  if __caro_is_hidden "$__caro_blank$1" "${2-}"; then
    [[ -z "$__caro_retract" ]] || __caro_put "$__caro_retract"
    return 0
  fi
  \builtin typeset -g __caro_number="$HISTCMD" __caro_running=1
  __caro_put "$__caro_retract${__caro_nul}S${__caro_now:0:16}${__caro_nul}d$PWD${__caro_nul}c$__caro_blank${1//$__caro_nul/}$__caro_nul$__caro_nul"
}

__caro_precmd() {
  # One statement: the next one would already see its own status.
  \builtin typeset -g __caro_status="$?" __caro_statuses="${(j: :)pipestatus[@]}" __caro_now="${EPOCHREALTIME/[.,]/}" \
    __caro_ran="$__caro_running" __caro_running=0 __caro_blank=
  [[ ! -o histreduceblanks || "${zshaddhistory_functions[*]-}" == *__caro_look* ]] || __caro_look_at_lines
  [[ "$__caro_ran" != 1 ]] ||
    __caro_put "${__caro_nul}E${__caro_now:0:16}${__caro_nul}x$__caro_status${__caro_nul}p$__caro_statuses$__caro_nul$__caro_nul"
}

# The last line of this shell has no next one to take it back. An entry more makes zsh drop one that a filter has refused,
# so that the number stays; it is in the memory of a shell that ends, and zsh has written its file before.
__caro_zshexit() {
  [[ "$__caro_number" != 0 && "$ZSH_SUBSHELL" == 0 ]] && __caro_has_filter || return 0
  \builtin typeset -g __caro_number_before="$HISTCMD"
  \builtin print -s -- ''
  [[ "$HISTCMD" != "$__caro_number_before" ]] || __caro_put "${__caro_nul}X$__caro_nul$__caro_nul"
}

# Under hist_reduce_blanks preexec is not told of a blank in front, and that says that the line is not to be recorded.
__caro_look() {
  case "$1" in
    (' '*) \builtin typeset -g __caro_blank=' ' ;;
    ($'\t'*) \builtin typeset -g __caro_blank=$'\t' ;;
    (*) \builtin typeset -g __caro_blank= ;;
  esac
  return 0
}

__caro_look_at_lines() {
  \builtin emulate -L zsh
  \builtin typeset -ga zshaddhistory_functions
  zshaddhistory_functions=(__caro_look $zshaddhistory_functions)
}

# Whether zsh's own settings keep a line out of its history. It is then never written.
__caro_is_hidden() {
  if [[ -o histignorespace ]] && __caro_is_spaced "$1"; then return 0; fi
  if [[ -o histnostore || -o histnofunctions ]] && __caro_is_not_stored "$2"; then return 0; fi
  if [[ -n "${HISTORY_IGNORE-}" ]] && __caro_is_ignored "$1"; then return 0; fi
  return 1
}

# An alias may be what begins with the blank.
__caro_is_spaced() {
  \builtin emulate -L zsh
  [[ $1 == ' '* || ${aliases[${1%%[[:space:]]*}]-} == ' '* ]]
}

__caro_is_not_stored() {
  \builtin emulate -L zsh -o extendedglob
  if [[ -o histnostore ]]; then
    case ${1#builtin } in
      history|history\ *|r|r\ *|fc\ -[^\ ]#l*) return 0 ;;
    esac
  fi
  [[ -o histnofunctions ]] && [[ $1 == [^[:space:]]##' () '* || $1 == '() '* ]]
}

# Whether HISTORY_IGNORE has a line, read as the shell's own options read it. A pattern that is none matches nothing.
__caro_is_ignored() {
  if [[ -o extendedglob ]]; then
    \builtin emulate -L zsh -o extendedglob
  else
    \builtin emulate -L zsh
  fi
  \builtin local -i miss=1
  {
    { [[ $1 == ${~HISTORY_IGNORE} ]] && miss=0; } always { TRY_BLOCK_ERROR=0; }
  } 2>/dev/null
  return miss
}

__caro_has_filter() {
  \builtin emulate -L zsh
  \builtin local others
  others=(${zshaddhistory_functions:#__caro_look})
  (( $+functions[zshaddhistory] + $#others ))
}

() {
  \builtin emulate -L zsh
  \builtin typeset -ga preexec_functions precmd_functions zshexit_functions
  __caro_open
  preexec_functions=(${preexec_functions:#__caro_preexec} __caro_preexec)
  # First, so that others' prompt code is not counted to the command.
  precmd_functions=(__caro_precmd ${precmd_functions:#__caro_precmd})
  zshexit_functions=(${zshexit_functions:#__caro_zshexit} __caro_zshexit)
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
  if [[ -x $__caro_bin && $LBUFFER != *$'\n'* ]]; then __caro_screen --up --mode prefix; else __caro_own up-line-or-history; fi
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

# ---------------------------------------------------------------------------------------------------------------------
# Suggestions as one types: a strategy for zsh-autosuggestions, ZSH_AUTOSUGGEST_STRATEGY=(caro history)
# ---------------------------------------------------------------------------------------------------------------------

# Asks the daemon over its socket: no process, and nothing when it is away. What it may take is far less than is felt, but
# a daemon that is stopped must not stop the keys.
_zsh_autosuggest_strategy_caro() {
  \builtin emulate -L zsh
  \builtin typeset -g suggestion=
  [[ -S ${__caro_sock-} && -O $__caro_sock ]] && \builtin zmodload zsh/net/socket 2>/dev/null || return 0
  \builtin local REPLY descriptor answer=
  zsocket "$__caro_sock" 2>/dev/null || return 0
  descriptor=$REPLY
  {
    \builtin print -rn -u $descriptor -- "?$PWD"$'\0'"$1"$'\0' &&
      IFS= \builtin read -r -d $'\0' -t 0.05 -u $descriptor answer
  } 2>/dev/null && suggestion=$answer
  exec {descriptor}>&-
}

fi

# ---------------------------------------------------------------------------------------------------------------------
# What is kept with caro alias and caro env
# ---------------------------------------------------------------------------------------------------------------------

# The daemon keeps the file. Everything in it is quoted, so that reading it runs nothing of what somebody kept; only one's
# own is read, and no link.
if [[ -o interactive && -f ${__caro_items-} && -O ${__caro_items-} && ! -L ${__caro_items-} ]]; then
  () {
    \builtin emulate -L zsh -o no_aliases
    { \builtin source "$__caro_items"; } 2>/dev/null
    return 0
  }
fi
