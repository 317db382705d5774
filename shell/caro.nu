# caro: records each command with nushell's own builtins, and puts a found one on the prompt. nushell 0.104 and later.
# Loaded with the start files; loading it again changes nothing.
#
# Set before it by `caro init`: __caro_settings, a record of bin (the program), dir (the spool folder), sid (empty: one is
# made), bind_ctrl_r and bind_up ("1" to bind the key), items (variables). The records' grammar: schema/src/spool.rs.
#
# Rules: no process, no output and no wait per command; whatever fails, fails in silence. What is remembered is a record in
# $env, because nushell hands on to programs only what is text.

# ---------------------------------------------------------------------------------------------------------------------
# This run of the shell
# ---------------------------------------------------------------------------------------------------------------------

# Another user's home, as `sudo` and `su -m` leave it: no files of ours among theirs.
def __caro_is_ours [folder: string]: nothing -> bool {
  try { (ls --long --directory $folder | get 0.user) == (whoami) } catch { true }
}

def --env __caro_open []: nothing -> nothing {
  let session = if $__caro_settings.sid == "" { random uuid } else { $__caro_settings.sid }
  let folder = if $__caro_settings.dir != "" {
    $__caro_settings.dir
  } else {
    let state = $env.XDG_STATE_HOME? | default ($nu.home-dir? | default "~" | path expand | path join ".local" "state")
    $env.CARO_SPOOL? | default ($state | path join "caro" "spool")
  }
  $env.__caro = {
    pid: $nu.pid
    bin: $__caro_settings.bin
    session: $session
    file: ($folder | path join $"($session).($nu.pid)")
    is_ours: (__caro_is_ours $folder)
    running: false
  }
  let user = $env.USER? | default ($env.LOGNAME? | default (try { whoami } catch { "" }))
  let host = try { (sys host).hostname } catch { "" }
  (__caro_put [
    "H1" $"s($session)" $"p($nu.pid)" $"knu ((version).version)" $"l($env.SHLVL? | default '')" $"h($host)" $"u($user)"
  ])
}

# One open, write and close per record, so that no child inherits a descriptor and a removed file comes back.
def __caro_put [fields: list<string>]: nothing -> nothing {
  if not $env.__caro.is_ours { return }
  let nul = char --integer 0
  try {
    $"($nul)($fields | str replace --all $nul '' | each { $in + $nul } | str join)($nul)"
    | save --raw --append $env.__caro.file
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# Start and end of a command
# ---------------------------------------------------------------------------------------------------------------------

def __caro_now []: nothing -> int { (date now | into int) // 1000 }

# Whether nushell's own settings keep a line out of its history. It is then never written.
def __caro_is_hidden [line: string]: nothing -> bool {
  if ($line | str trim) == "" or not $nu.history-enabled { return true }
  ($env.config.history?.ignore_space_prefixed? | default true) and ($line | str starts-with " ")
}

def --env __caro_start []: nothing -> nothing {
  let line = commandline
  $env.__caro.running = false
  # What a key runs is a line as well to nushell.
  if ($line =~ '^__caro_(search|up)$') or (__caro_is_hidden $line) { return }
  $env.__caro.running = true
  __caro_put [$"S(__caro_now)" $"d($env.PWD)" $"c($line)"]
}

def --env __caro_end []: nothing -> nothing {
  if not $env.__caro.running { return }
  let status = $env.LAST_EXIT_CODE? | default 0
  # A process that a signal has ended is the negative of its number here, elsewhere 128 and the number.
  let status = if $status < 0 { 128 - $status } else { $status }
  $env.__caro.running = false
  __caro_put [$"E(__caro_now)" $"x($status)" $"p($status)"]
}

# ---------------------------------------------------------------------------------------------------------------------
# Keys: the screen, and what was chosen into the line
# ---------------------------------------------------------------------------------------------------------------------

def __caro_screen [...more: string]: nothing -> nothing {
  let line = commandline
  let answer = try {
    $line | ^$env.__caro.bin screen --result-fd 1 --session $env.__caro.session ...$more | into binary | decode utf-8
  } catch { "" }
  if ($answer starts-with "put\n") {
    commandline edit --replace ($answer | str substring 4..)
    commandline set-cursor --end
  } else if ($answer starts-with "run\n") {
    commandline edit --replace --accept ($answer | str substring 4..)
  }
}

def __caro_search []: nothing -> nothing { __caro_screen }

# Within a line of several, up moves: to the same column, or to the end of a shorter line.
def __caro_up []: nothing -> nothing {
  let before = commandline | split chars | take (commandline get-cursor) | str join | split row "\n"
  if ($before | length) < 2 { return (__caro_screen "--up" "--mode" "prefix") }
  let column = $before | last | str length --grapheme-clusters
  let above = $before | drop 1
  let start = $above | drop 1 | each { ($in | str length --grapheme-clusters) + 1 } | append 0 | math sum
  commandline set-cursor ($start + ([$column ($above | last | str length --grapheme-clusters)] | math min))
}

def --env __caro_bind []: nothing -> nothing {
  # Where there is no such program, the keys stay as they were.
  if not ($__caro_settings.bin | path exists) { return }
  let modes = [emacs vi_insert vi_normal]
  if $__caro_settings.bind_ctrl_r == "1" {
    $env.config.keybindings ++= [{
      name: __caro_search modifier: control keycode: char_r mode: $modes
      event: { send: executehostcommand cmd: "__caro_search" }
    }]
  }
  if $__caro_settings.bind_up == "1" {
    $env.config.keybindings ++= [{
      name: __caro_up modifier: none keycode: up mode: $modes
      event: { until: [{ send: menuup } { send: executehostcommand cmd: "__caro_up" }] }
    }]
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# What is kept with caro alias and caro env
# ---------------------------------------------------------------------------------------------------------------------

# The daemon keeps the file. An alias is code here while it is read, so that aliases of other shells cannot be had; what
# nushell itself goes by, and PATH, which is a list here, stay as they are.
def --env __caro_take_variables []: nothing -> nothing {
  try {
    if not (__caro_is_ours $__caro_settings.items?) { return }
    let own = [PATH Path NU_LIB_DIRS NU_PLUGIN_DIRS LAST_EXIT_CODE CMD_DURATION_MS]
    let kept = open --raw $__caro_settings.items? | from json | get variables | transpose name value
    let kept = $kept | where name not-in $own
    if ($kept | is-not-empty) { $kept | transpose --header-row --as-record | load-env }
  }
}

if $nu.is-interactive { __caro_take_variables }

if $nu.is-interactive and $env.__caro?.pid? != $nu.pid {
  __caro_open
  $env.config.hooks.pre_execution = ($env.config.hooks.pre_execution? | default [] | append {|| __caro_start })
  # First, so that others' prompt code is not counted to the command.
  $env.config.hooks.pre_prompt = ($env.config.hooks.pre_prompt? | default [] | prepend {|| __caro_end })
  __caro_bind
}
