# caro: records each command with fish's own builtins, and puts a found one on the prompt. fish 3.4 and later. Sourced
# from config.fish; sourcing it again does nothing.
#
# Set before it by `caro init`: __caro_bin (the program), __caro_dir (the spool folder), __caro_sid (empty: one is made),
# __caro_bind_ctrl_r and __caro_bind_up (1 to bind the key). The records' grammar: schema/src/spool.rs.
#
# Rules: no process, no output and no wait per command; $status and $pipestatus stay as they were; whatever fails, fails
# in silence.

if status is-interactive; and test "$__caro_pid" != $fish_pid

# ----------------------------------------------------------------------------------------------------------------------
# This run of the shell
# ----------------------------------------------------------------------------------------------------------------------

set -g __caro_pid $fish_pid
set -g __caro_running 0
if test -z "$__caro_sid"
    test -r /proc/sys/kernel/random/uuid; and read -g __caro_sid </proc/sys/kernel/random/uuid
    test -n "$__caro_sid"; or set -g __caro_sid (random)-(random)-(random)-(random)
end

set -l dir $__caro_dir
test -n "$dir"; or set dir $CARO_SPOOL
if test -z "$dir"
    set -l state $XDG_STATE_HOME
    test -n "$state"; or set state $HOME/.local/state
    set dir $state/caro/spool
end
set -g __caro_folder $dir
set -g __caro_file $dir/$__caro_sid.$fish_pid

# fish complains of a file that cannot be opened, and no redirection silences that: the folder is looked at first.
function __caro_put
    test -d $__caro_folder; and test -w $__caro_folder; and printf $argv 2>/dev/null >>$__caro_file
end

# fish has no clock builtin: the time since boot can be read without a process, where there is such a file. Elsewhere the
# record file's own time says when the start was written.
set -g __caro_uptime /proc/uptime
test -r $__caro_uptime; or set -g __caro_uptime /dev/null

__caro_put '\0H1\0s%s\0p%s\0kfish %s\0l%s\0h%s\0u%s\0\0' $__caro_sid $fish_pid $version "$SHLVL" "$hostname" "$USER"

# ----------------------------------------------------------------------------------------------------------------------
# Start and end of a command
# ----------------------------------------------------------------------------------------------------------------------

function __caro_preexec --on-event fish_preexec
    set -g __caro_running 0
    # What fish itself would not keep is never written.
    test -z "$fish_private_mode"; or return
    set -q fish_history; and test -z "$fish_history"; and return
    if functions -q fish_should_add_to_history
        # fish 4: the user's own filter replaces the rule about a leading space.
        fish_should_add_to_history "$argv[1]"; or return
    else
        string match -q ' *' -- "$argv[1]"; and return
    end
    set -g __caro_running 1
    set -l uptime
    read uptime <$__caro_uptime
    __caro_put '\0S\0b%s\0d%s\0c%s\0\0' "$uptime" "$PWD" "$argv[1]"
end

function __caro_postexec --on-event fish_postexec
    set -l statuses $status $pipestatus
    set -l milliseconds "$CMD_DURATION"
    test $__caro_running = 1; or return
    set -g __caro_running 0
    set -l modified
    test $__caro_uptime = /dev/null; and set modified (path mtime -- $__caro_file 2>/dev/null)
    __caro_put '\0E\0n%s\0x%s\0p%s\0m%s\0\0' "$milliseconds" $statuses[1] "$statuses[2..-1]" "$modified"
end

# ----------------------------------------------------------------------------------------------------------------------
# Keys: the screen, and what was chosen into the line
# ----------------------------------------------------------------------------------------------------------------------

function __caro_screen
    set -l answer (commandline -b | $__caro_bin screen --result-fd 3 --session "$__caro_sid" $argv 3>&1 1>/dev/tty 2>/dev/tty | string collect)
    if string match -qr '^(put|run)\n' -- "$answer"
        commandline -r -- (string sub -s 5 -- "$answer" | string collect)
    end
    commandline -f repaint
    string match -qr '^run\n' -- "$answer"; and commandline -f execute
end

function __caro_search
    if test -x "$__caro_bin"
        __caro_screen
    else
        commandline -f history-pager
    end
end

function __caro_up
    if commandline --search-mode; or commandline --paging-mode; or not test -x "$__caro_bin"
        commandline -f up-or-search
    else if test (commandline --line) -gt 1
        commandline -f up-line
    else
        __caro_screen --up
    end
end

for mode in default insert
    test "$__caro_bind_ctrl_r" = 1; and bind -M $mode \cr __caro_search
    if test "$__caro_bind_up" = 1
        bind -M $mode \e\[A __caro_up
        bind -M $mode \eOA __caro_up
    end
end

end
