# caro: records each command with fish's own builtins, and puts a found one on the prompt. fish 3.4 and later. Sourced
# from config.fish; sourcing it again changes nothing.
#
# Set before it by `caro init`: __caro_bin (the program), __caro_dir (the spool folder), __caro_sid (empty: one is made),
# __caro_bind_ctrl_r and __caro_bind_up (1 to bind the key), __caro_items (aliases and variables). The records' grammar:
# schema/src/spool.rs.
#
# Rules: no process, no output and no wait per command; $status and $pipestatus stay as they were; whatever fails, fails
# in silence. Builtins are called as builtins, because people wrap them.

if builtin status is-interactive; and builtin test "$__caro_pid" != $fish_pid

# ---------------------------------------------------------------------------------------------------------------------
# This run of the shell
# ---------------------------------------------------------------------------------------------------------------------

set -g __caro_pid $fish_pid
set -g __caro_running 0
set -g __caro_session $__caro_sid
if builtin test -z "$__caro_session"
    builtin test -r /proc/sys/kernel/random/uuid; and builtin read -g __caro_session </proc/sys/kernel/random/uuid
    builtin test -n "$__caro_session"; or set -g __caro_session (builtin random)-(builtin random)-(builtin random)
end

# fish has no clock builtin: the time since boot can be read without a process, where there is such a file. Elsewhere the
# record file's own time says when the start was written, where there is a builtin to ask for it.
set -g __caro_uptime /proc/uptime
builtin test -r $__caro_uptime; or set -g __caro_uptime /dev/null

# Chooses the file, which belongs to this run alone, and makes it with a header. Read by nobody but its owner from the
# start; one that the daemon has moved away comes back as the umask says, in a folder that is closed to others.
set -g __caro_folder $__caro_dir
builtin test -n "$__caro_folder"; or set -g __caro_folder $CARO_SPOOL
if builtin test -z "$__caro_folder"
    set -g __caro_folder $XDG_STATE_HOME
    builtin test -n "$__caro_folder"; or set -g __caro_folder $HOME/.local/state
    set -g __caro_folder $__caro_folder/caro/spool
end
set -g __caro_file $__caro_folder/$__caro_session.$fish_pid
# Another user's home, as `sudo` and `su -m` leave it: no files of ours among theirs.
builtin test -O $__caro_folder; or not builtin test -e $__caro_folder; or set -g __caro_folder

set -g __caro_path $__caro_file
set -g __caro_rests 0

# Whether the file can be written when it is not there. fish complains of a redirection that fails, and nothing can silence
# it, so this is asked before each. That the file is there is the usual case, and asked on the spot: a function that is
# called costs a tenth of all the rest.
function __caro_look_again
    if builtin test $__caro_rests -gt 0
        set -g __caro_rests (builtin math $__caro_rests - 1)
        builtin test $__caro_rests -eq 0; and set -g __caro_file $__caro_path
        return 1
    end
    builtin test -n "$__caro_folder"; and not builtin test -e $__caro_file
    and builtin test -d $__caro_folder -a -w $__caro_folder
end

# A disk that is full: fish says so itself, which nothing can silence either. So that it does not at every prompt, the
# next ten commands are not tried.
function __caro_rest
    set -g __caro_running 0
    set -g __caro_file
    set -g __caro_rests 10
end

if builtin test -w "$__caro_file"; or __caro_look_again
    set -l mask $umask
    set umask 077
    builtin printf '\0H1\0s%s\0p%s\0kfish %s\0l%s\0h%s\0u%s\0\0' $__caro_session $fish_pid $version "$SHLVL" \
        "$hostname" "$USER" 2>/dev/null >>$__caro_file
    set umask $mask
end

# ---------------------------------------------------------------------------------------------------------------------
# Start and end of a command
# ---------------------------------------------------------------------------------------------------------------------

function __caro_preexec --on-event fish_preexec
    set -g __caro_running 0
    # What fish itself would not keep is never written.
    builtin test -z "$fish_private_mode"; or return
    builtin set -q fish_history; and builtin test -z "$fish_history"; and return
    if builtin functions -q fish_should_add_to_history
        # fish 4: the user's own filter replaces the rule about a leading space.
        fish_should_add_to_history "$argv[1]"; or return
    else
        builtin string match -q ' *' -- "$argv[1]"; and return
    end
    builtin test -w "$__caro_file"; or __caro_look_again; or return
    set -g __caro_running 1
    builtin read -l uptime <$__caro_uptime
    builtin printf '\0S\0b%s\0d%s\0c%s\0\0' "$uptime" "$PWD" "$argv[1]" 2>/dev/null >>$__caro_file
    or __caro_rest
end

function __caro_postexec --on-event fish_postexec
    set -l statuses $status $pipestatus
    set -l milliseconds "$CMD_DURATION"
    builtin test $__caro_running = 1; or return
    set -g __caro_running 0
    builtin test -w "$__caro_file"; or __caro_look_again; or return
    builtin test $__caro_uptime = /dev/null
    and set -l modified (builtin path mtime -- $__caro_file 2>/dev/null)
    or set -l modified
    builtin printf '\0E\0n%s\0x%s\0p%s\0m%s\0\0' "$milliseconds" $statuses[1] "$statuses[2..-1]" "$modified" \
        2>/dev/null >>$__caro_file
    or __caro_rest
end

# ---------------------------------------------------------------------------------------------------------------------
# Keys: the screen, and what was chosen into the line
# ---------------------------------------------------------------------------------------------------------------------

function __caro_screen
    set -l answer (
        commandline -b |
            $__caro_bin screen --result-fd 3 --session "$__caro_session" $argv 3>&1 1>/dev/tty 2>/dev/tty |
            builtin string collect
    )
    set -l command (builtin string sub -s 5 -- "$answer" | builtin string collect)
    switch "$answer"
        case put\n'*' run\n'*'
            commandline -r -- "$command"
    end
    commandline -f repaint
    switch "$answer"
        case run\n'*'
            commandline -f execute
    end
end

function __caro_search
    if builtin test -x "$__caro_bin"
        __caro_screen
    else if builtin contains history-pager (bind --function-names)
        commandline -f history-pager
    else
        commandline -f history-search-backward
    end
end

# Within a line of several, in a search and in the list of completions, up is fish's own.
function __caro_up
    if commandline --search-mode; or commandline --paging-mode; or not builtin test -x "$__caro_bin"
        up-or-search
    else if builtin test (commandline --line) -gt 1
        up-or-search
    else
        __caro_screen --up --mode prefix
    end
end

for mode in default insert
    if builtin test "$__caro_bind_ctrl_r" = 1
        bind -M $mode \cr __caro_search
    end
    if builtin test "$__caro_bind_up" = 1
        # Since fish 4 keys have names, and what the terminal sends for them is fish's own affair.
        if builtin string match -qr '^[0-3]\.' -- $version
            bind -M $mode \e\[A __caro_up
            bind -M $mode \eOA __caro_up
            bind -M $mode -k up __caro_up
        else
            bind -M $mode up __caro_up
        end
    end
end

end

# ---------------------------------------------------------------------------------------------------------------------
# What is kept with caro alias and caro env
# ---------------------------------------------------------------------------------------------------------------------

# The daemon keeps the file. Everything in it is quoted, so that reading it runs nothing of what somebody kept; only one's
# own is read, and no link.
if builtin status is-interactive; and builtin test -f "$__caro_items" -a -O "$__caro_items"
    builtin test -L "$__caro_items"; or builtin source $__caro_items 2>/dev/null
end
