# caro: records each command with .NET's own file functions, and puts a found one on the prompt. PowerShell 7 and later,
# with PSReadLine. Evaluated in $PROFILE; evaluating it again changes nothing.
#
# Set before it by `caro init`: $__caro_bin (the program), $__caro_dir (the spool folder), $__caro_sid (empty: one is
# made), $__caro_bind_ctrl_r and $__caro_bind_up ('1' to bind the key), $__caro_items (variables). The records' grammar:
# schema/src/spool.rs.
#
# Rules: no process, no output and no wait per command; $? and $LASTEXITCODE stay as they were; whatever fails, fails in
# silence. A line is seen where PowerShell reads it (PSConsoleHostReadLine) and its end where it writes its prompt.

if ($Host.Name -eq 'ConsoleHost' -and (Test-Path Function:PSConsoleHostReadLine) -and $global:__caro.Process -ne $PID) {

# ---------------------------------------------------------------------------------------------------------------------
# This run of the shell
# ---------------------------------------------------------------------------------------------------------------------

$global:__caro = @{
    Process = $PID
    Program = $__caro_bin
    Session = if ($__caro_sid) { $__caro_sid } else { [Guid]::NewGuid().ToString() }
    File = $null
    Running = $false
    ReadLine = $function:PSConsoleHostReadLine
    Prompt = $function:prompt
}

# One open, write and close per record, so that no child inherits a descriptor and a removed file comes back.
function global:__caro_put([string[]] $fields) {
    try {
        $text = "`0" + (($fields | ForEach-Object { $_.Replace("`0", '') + "`0" }) -join '') + "`0"
        [IO.File]::AppendAllText($global:__caro.File, $text, [Text.UTF8Encoding]::new($false))
    } catch { }
}

function global:__caro_now {
    $ticks = [DateTime]::UtcNow.Ticks - 621355968000000000
    ($ticks - $ticks % 10) / 10
}

& {
    $folder = $__caro_dir
    if (-not $folder) { $folder = $env:CARO_SPOOL }
    if (-not $folder) {
        $state = if ($env:XDG_STATE_HOME) { $env:XDG_STATE_HOME } else { [IO.Path]::Combine($HOME, '.local', 'state') }
        $folder = [IO.Path]::Combine($state, 'caro', 'spool')
    }
    $global:__caro.File = [IO.Path]::Combine($folder, "$($global:__caro.Session).$PID")
    __caro_put 'H1', "s$($global:__caro.Session)", "p$PID", "kpowershell $($PSVersionTable.PSVersion)", "l$env:SHLVL",
        "h$([Environment]::MachineName)", "u$([Environment]::UserName)"
}

# ---------------------------------------------------------------------------------------------------------------------
# Start and end of a command
# ---------------------------------------------------------------------------------------------------------------------

# Whether the line is one that PSReadLine's own rule, or the user's, keeps out of the history file, or begins with a
# blank. It is then never written.
function global:__caro_is_hidden([string] $line) {
    if ($line.Trim() -eq '' -or $line[0] -eq ' ') { return $true }
    try {
        $rule = (Get-PSReadLineOption).AddToHistoryHandler
        if ($null -eq $rule) { return $false }
        $verdict = $rule.Invoke($line)
        return $verdict -eq $false -or "$verdict" -in 'SkipAdding', 'MemoryOnly'
    } catch {
        return $false
    }
}

function global:PSConsoleHostReadLine {
    $line = & $global:__caro.ReadLine
    $global:__caro.Running = $false
    if (-not (__caro_is_hidden $line)) {
        $global:__caro.Running = $true
        __caro_put "S$(__caro_now)", "d$($ExecutionContext.SessionState.Path.CurrentLocation.ProviderPath)", "c$line"
    }
    $line
}

function global:prompt {
    # First of all: every other statement sets it anew.
    $succeeded = $?
    if ($global:__caro.Running) {
        $global:__caro.Running = $false
        # $LASTEXITCODE is the last program's, however long ago that was. An error of this very line is its own.
        $last = Get-History -Count 1 -ErrorAction Ignore
        $is_own_error = $null -ne $last -and $global:Error.Count -gt 0 -and
            $global:Error[0].InvocationInfo.HistoryId -eq $last.Id
        $status = if ($succeeded) { 0 } elseif ($is_own_error -or -not $global:LASTEXITCODE) { 1 } else {
            $global:LASTEXITCODE
        }
        __caro_put "E$(__caro_now)", "x$status", "p$status"
    }
    # What a user's own prompt asks of $?.
    if (-not $succeeded) { Write-Error 'failed' -ErrorAction Ignore }
    & $global:__caro.Prompt
}

# ---------------------------------------------------------------------------------------------------------------------
# Keys: the screen, and what was chosen into the line
# ---------------------------------------------------------------------------------------------------------------------

# The program's answer, as text with its line ends. A pipeline of PowerShell would take it apart into lines.
function global:__caro_ask([string] $line, [string[]] $more) {
    $start = [Diagnostics.ProcessStartInfo]::new($global:__caro.Program)
    foreach ($argument in @('screen', '--result-fd', '1', '--session', $global:__caro.Session) + $more) {
        $start.ArgumentList.Add($argument)
    }
    $start.UseShellExecute = $false
    $start.WorkingDirectory = $ExecutionContext.SessionState.Path.CurrentLocation.ProviderPath
    $start.RedirectStandardInput = $true
    $start.RedirectStandardOutput = $true
    $start.StandardInputEncoding = [Text.UTF8Encoding]::new($false)
    $start.StandardOutputEncoding = [Text.UTF8Encoding]::new($false)
    $process = [Diagnostics.Process]::Start($start)
    $process.StandardInput.Write($line)
    $process.StandardInput.Close()
    $answer = $process.StandardOutput.ReadToEnd()
    $process.WaitForExit()
    $answer
}

function global:__caro_screen([string[]] $more) {
    $line = $null
    $cursor = $null
    [Microsoft.PowerShell.PSConsoleReadLine]::GetBufferState([ref] $line, [ref] $cursor)
    $answer = try { __caro_ask $line $more } catch { '' }
    [Microsoft.PowerShell.PSConsoleReadLine]::InvokePrompt()
    if ($answer -cnotmatch '^(put|run)\n') { return }
    [Microsoft.PowerShell.PSConsoleReadLine]::Replace(0, $line.Length, $answer.Substring(4))
    if ($answer.StartsWith('run')) { [Microsoft.PowerShell.PSConsoleReadLine]::AcceptLine() }
}

& {
    if (-not (Get-Module PSReadLine)) { return }
    $search = {
        if (Test-Path -LiteralPath $global:__caro.Program) { __caro_screen @() }
        else { [Microsoft.PowerShell.PSConsoleReadLine]::ReverseSearchHistory() }
    }
    # Within a line of several, up moves.
    $up = {
        $line = $null
        $cursor = $null
        [Microsoft.PowerShell.PSConsoleReadLine]::GetBufferState([ref] $line, [ref] $cursor)
        if ($line.Substring(0, $cursor).Contains("`n")) { [Microsoft.PowerShell.PSConsoleReadLine]::PreviousLine() }
        elseif (Test-Path -LiteralPath $global:__caro.Program) { __caro_screen @('--up', '--mode', 'prefix') }
        else { [Microsoft.PowerShell.PSConsoleReadLine]::PreviousHistory() }
    }
    $modes = if ((Get-PSReadLineOption).EditMode -eq 'Vi') { @{ ViMode = 'Insert' }, @{ ViMode = 'Command' } } else { @{} }
    foreach ($mode in $modes) {
        if ($__caro_bind_ctrl_r -eq '1') {
            Set-PSReadLineKeyHandler @mode -Chord 'Ctrl+r' -BriefDescription 'caro' -ScriptBlock $search
        }
        if ($__caro_bind_up -eq '1') {
            Set-PSReadLineKeyHandler @mode -Chord 'UpArrow' -BriefDescription 'caro' -ScriptBlock $up
        }
    }
}

}

# ---------------------------------------------------------------------------------------------------------------------
# What is kept with caro alias and caro env
# ---------------------------------------------------------------------------------------------------------------------

# The daemon keeps the file. PowerShell's own aliases take no arguments, so that those of other shells cannot be had.
& {
    if (-not $__caro_items -or -not (Test-Path -LiteralPath $__caro_items -PathType Leaf)) { return }
    try {
        $kept = ConvertFrom-Json -AsHashtable -InputObject ([IO.File]::ReadAllText($__caro_items))
        foreach ($name in $kept['variables'].Keys) {
            [Environment]::SetEnvironmentVariable($name, $kept['variables'][$name])
        }
    } catch { }
}
