# caro: records each command from xonsh's own events, and puts a found one on the prompt. xonsh 0.11 and later; the keys
# need prompt_toolkit, which xonsh uses where it is installed. Evaluated in rc.xsh; evaluating it again changes nothing.
#
# Set before it by `caro init`: __caro_bin (the program), __caro_dir (the spool folder), __caro_sid (empty: one is made),
# __caro_bind_ctrl_r and __caro_bind_up ('1' to bind the key), __caro_items (aliases and variables). The records' grammar:
# schema/src/spool.rs.
#
# Rules: no process, no output and no wait per command; whatever fails, fails in silence. All of it is plain Python inside
# one function, so that nothing but that function's name is ever among the user's own names, and not even that for long.

def __caro_install(program, folder, session, binds_ctrl_r, binds_up, items):
    import os
    import time
    import uuid

    from xonsh.built_ins import XSH
    from xonsh.events import events

    if not XSH.env.get("XONSH_INTERACTIVE"):
        return

    # ------------------------------------------------------------------------------------------------------------------
    # What is kept with caro alias and caro env
    # ------------------------------------------------------------------------------------------------------------------

    def take(kept, where):
        for name, text in kept.items():
            try:
                # Text, which xonsh reads as code when the alias is called, and not before.
                where[name] = text
            except Exception:
                # A variable that xonsh wants otherwise. The others are none the worse.
                pass

    def take_shared():
        import json

        try:
            # The daemon keeps the file. Only one's own is read, and no link.
            with os.fdopen(os.open(items, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), encoding="utf-8") as file:
                is_ours = os.fstat(file.fileno()).st_uid == os.geteuid()
                shared = json.load(file) if is_ours else {}
        except (OSError, ValueError):
            return
        take(shared.get("variables", {}), XSH.env)
        take(shared.get("aliases", {}), XSH.aliases)

    take_shared()

    pid = os.getpid()
    # The environment's own attribute: a name in it would be inherited by what is started, this is not.
    if getattr(XSH, "_caro_pid", None) == pid:
        return
    XSH._caro_pid = pid

    # ------------------------------------------------------------------------------------------------------------------
    # This run of the shell
    # ------------------------------------------------------------------------------------------------------------------

    session = session or str(uuid.uuid4())
    if not folder:
        state = XSH.env.get("XDG_STATE_HOME") or os.path.join(XSH.env.get("HOME") or "", ".local", "state")
        folder = XSH.env.get("CARO_SPOOL") or os.path.join(str(state), "caro", "spool")
    path = os.path.join(str(folder), f"{session}.{pid}")
    try:
        # Another user's home, as `sudo` and `su -m` leave it: no files of ours among theirs.
        is_own = os.stat(folder).st_uid == os.geteuid()
    except OSError:
        is_own = True

    def encoded(text):
        # The terminal's bytes as they came. NUL separates, and cannot be part of a command.
        return str(text).encode("utf-8", "surrogateescape").replace(b"\0", b"")

    def put(*fields):
        # One open, write and close per record, so that no child inherits a descriptor and a removed file comes back.
        if not is_own:
            return
        record = b"\0" + b"".join(tag + encoded(value) + b"\0" for tag, value in fields) + b"\0"
        try:
            file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                while record:
                    record = record[os.write(file, record) :]
            finally:
                os.close(file)
        except OSError:
            pass

    def name_of_terminal():
        try:
            return os.ttyname(0)
        except OSError:
            return ""

    def version():
        try:
            from xonsh import __version__
        except ImportError:
            return "xonsh"
        return f"xonsh {__version__}"

    put(
        (b"H", "1"),
        (b"s", session),
        (b"p", pid),
        (b"k", version()),
        (b"l", XSH.env.get("SHLVL") or ""),
        (b"y", name_of_terminal()),
        (b"h", os.uname().nodename),
        (b"u", XSH.env.get("USER") or XSH.env.get("LOGNAME") or ""),
    )

    # ------------------------------------------------------------------------------------------------------------------
    # Start and end of a command
    # ------------------------------------------------------------------------------------------------------------------

    running = False

    def microseconds():
        return time.time_ns() // 1000

    def controls():
        return XSH.env.get("HISTCONTROL") or ()

    def is_hidden(command):
        # What xonsh's own settings keep out of its history is never written.
        history = XSH.history
        if history is None or not getattr(history, "remember_history", True):
            return True
        if "ignorespace" in controls() and command[:1].isspace():
            return True
        is_ignored = getattr(history, "is_ignored", None)
        return is_ignored is not None and bool(is_ignored({"inp": command}))

    def typed(source):
        # The line end that every command gets, and the blank lines that end a block.
        lines = source.split("\n")
        while len(lines) > 1 and not lines[-1].strip():
            lines.pop()
        return "\n".join(lines)

    @events.on_precommand
    def _caro_start(cmd, **_):
        nonlocal running
        running = False
        try:
            command = typed(cmd)
            if not command.strip() or is_hidden(command):
                return
            running = True
            put((b"S", microseconds()), (b"d", XSH.env.get("PWD") or ""), (b"c", command))
        except Exception:
            # Somebody's own history, or a later xonsh: never a reason to keep a command from running.
            running = False

    @events.on_postcommand
    def _caro_end(rtn, **_):
        nonlocal running
        if not running:
            return
        running = False
        try:
            now, status = microseconds(), int(rtn or 0)
            # A process that a signal has ended is the negative of its number here, elsewhere 128 and the number.
            status = 128 - status if status < 0 else status
            put((b"E", now), (b"x", status), (b"p", status))
            if status != 0 and "ignoreerr" in controls():
                put((b"X", ""))
        except Exception:
            pass

    # ------------------------------------------------------------------------------------------------------------------
    # Keys: the screen, and what was chosen into the line
    # ------------------------------------------------------------------------------------------------------------------

    @events.on_ptk_create
    def _caro_keys(bindings, **_):
        import subprocess

        from prompt_toolkit.application import get_app, run_in_terminal
        from prompt_toolkit.document import Document
        from prompt_toolkit.enums import DEFAULT_BUFFER
        from prompt_toolkit.filters import Condition, has_completions, has_focus

        def ask(line, more):
            arguments = [program, "screen", "--result-fd", "1", "--session", session, *more]
            given = line.encode("utf-8", "surrogateescape")
            try:
                # Standard error stays the terminal, where the screen is drawn.
                done = subprocess.run(arguments, input=given, stdout=subprocess.PIPE, env=XSH.env.detype(), check=False)
            except OSError:
                return b""
            return done.stdout

        async def choose(buffer, more):
            answer = await run_in_terminal(lambda: ask(buffer.text, more))
            verb, _, command = answer.partition(b"\n")
            if verb not in (b"put", b"run"):
                return
            text = command.decode("utf-8", "replace")
            buffer.document = Document(text, len(text))
            if verb == b"run":
                buffer.validate_and_handle()

        # Where these do not hold, the key is what it was before.
        is_on_the_line = Condition(lambda: os.access(program, os.X_OK)) & has_focus(DEFAULT_BUFFER)

        @Condition
        def is_on_the_first_line():
            return get_app().current_buffer.document.on_first_line

        if binds_ctrl_r:

            @bindings.add("c-r", filter=is_on_the_line)
            def _caro_search(event):
                event.app.create_background_task(choose(event.current_buffer, ()))

        if binds_up:

            @bindings.add("up", filter=is_on_the_line & is_on_the_first_line & ~has_completions)
            def _caro_up(event):
                event.app.create_background_task(choose(event.current_buffer, ("--up", "--mode", "prefix")))


__caro_install(__caro_bin, __caro_dir, __caro_sid, __caro_bind_ctrl_r == "1", __caro_bind_up == "1", __caro_items)
del __caro_install, __caro_bin, __caro_dir, __caro_sid, __caro_bind_ctrl_r, __caro_bind_up, __caro_items
