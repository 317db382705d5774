# caro: records each command with zsh's own builtins, and puts a found one on the prompt. zsh 5.1 and later. Evaluated at
# the end of ~/.zshrc; sourcing it again does nothing.
#
# Set before it by `caro init`: __caro_bin (the program), __caro_dir (the spool folder), __caro_sid (empty: one is made),
# __caro_bind_ctrl_r and __caro_bind_up (1 to bind the key). The records' grammar: schema/src/spool.rs.
#
# Rules: no process, no output and no wait per command; `$?` and pipestatus stay as they were; whatever fails, fails in
# silence.

if [[ -o interactive && ${__caro_pid-} != $$ ]]; then

# ---------------------------------------------------------------------------------------------------------------------
# This run of the shell
# ---------------------------------------------------------------------------------------------------------------------

if ! zmodload zsh/datetime 2>/dev/null; then
  print -u2 -r -- "caro: this zsh has no zsh/datetime module, so commands are not recorded here (caro doctor says more)"
else

typeset -gi __caro_pid=$$ __caro_running=0 __caro_number=0
typeset -g __caro_sid=${__caro_sid-} __caro_file= __caro_last=

() {
  emulate -L zsh
  local dir=${__caro_dir:-${CARO_SPOOL:-${XDG_STATE_HOME:-$HOME/.local/state}/caro/spool}}
  [[ -n $__caro_sid ]] || { read -r __caro_sid </proc/sys/kernel/random/uuid } 2>/dev/null
  [[ -n $__caro_sid ]] || __caro_sid=$$-${epochtime[1]-0}${epochtime[2]-0}-$RANDOM$RANDOM
  [[ -d $dir ]] || { zmodload -F zsh/files b:zf_mkdir && zf_mkdir -p -m 700 $dir } 2>/dev/null
  __caro_file=$dir/$__caro_sid.$$
}

# One open, write and close per record, so that no child inherits a descriptor and a removed file comes back.
__caro_put() { { print -rn -- "$1" >>|$__caro_file } 2>/dev/null; return 0 }

__caro_put $'\0H1\0s'$__caro_sid$'\0p'$$$'\0kzsh '$ZSH_VERSION$'\0l'${SHLVL-}$'\0y'${TTY-}$'\0h'${HOST-}$'\0u'${USERNAME-}$'\0\0'

# ---------------------------------------------------------------------------------------------------------------------
# Start and end of a command
# ---------------------------------------------------------------------------------------------------------------------

__caro_preexec() {
  emulate -L zsh
  __caro_running=0
  # Empty only when history is off.
  [[ -n ${1-} && $ZSH_SUBSHELL == 0 ]] || return 0
  # The last recorded line did not get into the history although it was no repeat: a zshaddhistory filter refused it.
  local retract= nanoseconds=$epochtime[2]
  (( HISTCMD == __caro_number )) && [[ $1 != "$__caro_last" ]] &&
    (( $+functions[zshaddhistory] + ${#zshaddhistory_functions} )) && retract=$'\0X\0\0'
  __caro_number=0
  # What zsh itself would not keep is never written.
  if [[ $1 == ' '* && -o histignorespace ]] || [[ -n ${HISTORY_IGNORE-} && $1 == ${~HISTORY_IGNORE} ]]; then
    [[ -z $retract ]] || __caro_put $retract
    return 0
  fi
  __caro_number=$HISTCMD __caro_last=$1 __caro_running=1
  __caro_put $retract$'\0S'${epochtime[1]}${(l:6::0:)$((nanoseconds/1000))}$'\0d'$PWD$'\0c'${1//$'\0'/}$'\0\0'
}

__caro_precmd() {
  # One statement: the next one would already see its own status.
  local __caro_status=$? __caro_statuses="${pipestatus[@]}"
  [[ $__caro_running != 0 ]] || return 0
  emulate -L zsh
  local nanoseconds=$epochtime[2]
  __caro_put $'\0E'${epochtime[1]}${(l:6::0:)$((nanoseconds/1000))}$'\0x'$__caro_status$'\0p'$__caro_statuses$'\0\0'
  __caro_running=0
}

autoload -Uz add-zsh-hook
add-zsh-hook preexec __caro_preexec
add-zsh-hook precmd __caro_precmd
# First, so that others' prompt code is not counted to the command.
precmd_functions=(__caro_precmd ${precmd_functions:#__caro_precmd})

# ---------------------------------------------------------------------------------------------------------------------
# Keys: the screen, and what was chosen into the line
# ---------------------------------------------------------------------------------------------------------------------

__caro_screen() {
  emulate -L zsh
  local answer
  zle -I
  # The dot keeps line ends at the end of the command.
  answer=$(print -rn -- "$BUFFER" |
    "$__caro_bin" screen --result-fd 3 --session "$__caro_sid" "$@" 3>&1 1>/dev/tty 2>/dev/tty; print -n .)
  answer=${answer%.}
  case $answer in
    put$'\n'*) BUFFER=${answer#*$'\n'} CURSOR=$#BUFFER ;;
    run$'\n'*) BUFFER=${answer#*$'\n'} CURSOR=$#BUFFER; zle reset-prompt; zle accept-line; return ;;
  esac
  zle reset-prompt
}

__caro_search() {
  if [[ -x $__caro_bin ]]; then __caro_screen; else zle history-incremental-search-backward; fi
}

__caro_up() {
  if [[ -x $__caro_bin && $LBUFFER != *$'\n'* ]]; then __caro_screen --up; else zle up-line-or-history; fi
}

zle -N __caro_search
zle -N __caro_up
() {
  emulate -L zsh
  local map key
  for map in emacs viins vicmd; do
    [[ ${__caro_bind_ctrl_r-} != 1 ]] || bindkey -M $map '^R' __caro_search
    [[ ${__caro_bind_up-} != 1 ]] || for key in '^[[A' '^[OA'; do bindkey -M $map $key __caro_up; done
  done
}

fi
fi
