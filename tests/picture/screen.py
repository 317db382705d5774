#!/usr/bin/env python3
"""Makes docs/images/screen.svg: the real program in a real bash in tmux, photographed.

    tests/picture/screen.py target/debug

A home of its own with a made-up history, the hook, Ctrl-R, a few letters; then what tmux says stands on its screen is
written as SVG. Needs bash and tmux; writes nothing else.
"""

import html
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

COLUMNS, ROWS = 108, 17
WIDTH, HEIGHT, MARGIN = 8.4, 18, 16
BACKGROUND, FOREGROUND = "#1b1f27", "#d5dae3"
BASIC = ["#1b1f27", "#d08080", "#87af87", "#d7af5f", "#87afd7", "#af87af", "#5fafaf", "#d5dae3"]

COMMANDS = [
    (86400 * 30, "rsync -av --delete ~/photos/ nas:/volume1/photos/", 0, 94_000_000, "nas", "~"),
    (86400 * 12, "for host in desk laptop nas; do\n  ssh \"$host\" 'uptime; df -h /'\ndone", 0, 2_400_000, "desk", "~"),
    (86400 * 6, "docker compose -f deploy/compose.yml up -d --build api", 0, 71_000_000, "desk", "~/src/shop"),
    (86400 * 5, "docker compose logs --since 1h api | grep -i error", 1, 800_000, "desk", "~/src/shop"),
    (86400 * 2, "git log --oneline --graph main..origin/main", 0, 30_000, "laptop", "~/src/shop"),
    (7200 * 3, "kubectl -n shop rollout status deploy/api --timeout=120s", 0, 48_000_000, "laptop", "~/src/shop"),
    (7200, "cargo nextest run -p shop-core 2>&1 | tail -n 40", 101, 62_000_000, "laptop", "~/src/shop"),
    (5400, "git commit -m 'orders: keep what was paid when a cart expires'", 0, 120_000, "laptop", "~/src/shop"),
    (3600, "cargo nextest run -p shop-core 2>&1 | tail -n 40", 0, 58_000_000, "laptop", "~/src/shop"),
    (1800, "docker compose exec db psql -U shop -c 'select count(*) from orders'", 0, 310_000, "laptop", "~/src/shop"),
    (600, "curl -s localhost:8080/health | jq .status", 0, 40_000, "laptop", "~/src/shop"),
]


HOST = os.uname().nodename


def spool(home: pathlib.Path) -> None:
    """Writes records as a hook does, one session for each host."""
    folder = home / ".local/state/caro/spool"
    folder.mkdir(parents=True)
    now = int(time.time() * 1e6)
    for host in {row[4] for row in COMMANDS}:
        # What ran here has no host's name in the list.
        name = HOST if host == "laptop" else host
        lines = f"\0H1\0s{host}\0p1\0kbash 5.2\0h{name}\0uada\0\0"
        for age, command, status, took, of, directory in COMMANDS:
            if of == host:
                start = now - age * 1_000_000
                directory = directory.replace("~", str(home))
                lines += f"\0S{start}\0d{directory}\0c{command}\0\0\0E{start + took}\0x{status}\0p{status}\0\0"
        (folder / f"{host}.1").write_bytes(lines.encode())


def tmux(socket: pathlib.Path, *words: str) -> str:
    return subprocess.run(["tmux", "-S", str(socket), *words], check=True, capture_output=True, text=True).stdout


def wait(socket: pathlib.Path, text: str) -> str:
    for _ in range(500):
        screen = tmux(socket, "capture-pane", "-p", "-t", "p")
        if text in screen:
            return screen
        time.sleep(0.02)
    sys.exit(f"not seen: {text}\n{screen}")


def colour(numbers: list[int], at: int) -> tuple[str, int]:
    """A colour of the 256 or of all, and how many numbers it took."""
    if numbers[at + 1] == 2:
        return "#%02x%02x%02x" % tuple(numbers[at + 2 : at + 5]), 4
    number = numbers[at + 2]
    if number < 16:
        return BASIC[number % 8], 2
    if number >= 232:
        return "#" + "%02x" % (8 + 10 * (number - 232)) * 3, 2
    parts = [(number - 16) // 36, (number - 16) // 6 % 6, (number - 16) % 6]
    return "#" + "".join("%02x" % (0 if part == 0 else 55 + 40 * part) for part in parts), 2


def spans(line: str, style: dict[str, object]):
    """The parts of a line of `capture-pane -e`, each with its style, which goes on in the next line."""
    for part in re.split(r"(\x1b\[[0-9;]*m)", line):
        if not part.startswith("\x1b["):
            if part:
                yield part, dict(style)
            continue
        numbers = [int(number or 0) for number in part[2:-1].split(";")]
        at = 0
        while at < len(numbers):
            number = numbers[at]
            if number == 0:
                style.clear()
            elif number in (1, 2, 3, 4, 7):
                style[{1: "bold", 2: "dim", 3: "italic", 4: "line", 7: "reversed"}[number]] = True
            elif number == 22:
                style.pop("bold", None), style.pop("dim", None)
            elif number in (24, 27):
                style.pop({24: "line", 27: "reversed"}[number], None)
            elif number in (38, 48):
                value, took = colour(numbers, at)
                style["front" if number == 38 else "back"] = value
                at += took
            elif 30 <= number <= 37:
                style["front"] = BASIC[number - 30]
            elif 90 <= number <= 97:
                style["front"] = BASIC[number - 90]
            elif number == 39:
                style.pop("front", None)
            elif number == 49:
                style.pop("back", None)
            at += 1


def svg(lines: list[str]) -> str:
    width, height = COLUMNS * WIDTH + 2 * MARGIN, len(lines) * HEIGHT + 2 * MARGIN
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" role="img" '
        f'aria-label="The search screen of caro">',
        f'<rect width="100%" height="100%" rx="8" fill="{BACKGROUND}"/>',
        '<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="14" xml:space="preserve">',
    ]
    going_on: dict[str, object] = {}
    for row, line in enumerate(lines):
        column, y = 0, MARGIN + row * HEIGHT
        for text, style in spans(line, going_on):
            x, long = MARGIN + column * WIDTH, len(text) * WIDTH
            front, back = style.get("front", FOREGROUND), style.get("back")
            if style.get("reversed"):
                front, back = back or BACKGROUND, front
            if back:
                out.append(f'<rect x="{x:.1f}" y="{y}" width="{long:.1f}" height="{HEIGHT}" fill="{back}"/>')
            if text.strip():
                look = f'fill="{front}"'
                look += ' font-weight="bold"' if style.get("bold") else ""
                look += ' opacity="0.6"' if style.get("dim") else ""
                look += ' text-decoration="underline"' if style.get("line") else ""
                out.append(
                    f'<text x="{x:.1f}" y="{y + 14}" textLength="{long:.1f}" {look}>{html.escape(text)}</text>'
                )
            column += len(text)
    return "\n".join([*out, "</g>", "</svg>", ""])


def main() -> None:
    programs = pathlib.Path(sys.argv[1]).resolve()
    root = pathlib.Path(__file__).resolve().parents[2]
    with tempfile.TemporaryDirectory(prefix="caro") as folder:
        home = pathlib.Path(folder) / "ada"
        (home / "src/shop").mkdir(parents=True)
        (pathlib.Path(folder) / "run").mkdir()
        spool(home)
        (home / ".bashrc").write_text("PS1='laptop:~/src/shop$ '\neval \"$(caro init bash)\"\n")
        env = {
            "HOME": str(home),
            "XDG_RUNTIME_DIR": folder + "/run",
            "PATH": f"{programs}:{os.environ['PATH']}",
            "LANG": "C.UTF-8",
            "TERM": "screen-256color",
            "DBUS_SESSION_BUS_ADDRESS": "disabled:",
        }
        subprocess.run(["caro", "daemon", "start"], env=env, check=True, capture_output=True)
        socket = pathlib.Path(folder) / "tmux"
        try:
            size = ["-x", str(COLUMNS), "-y", str(ROWS)]
            variables = [word for name, value in env.items() for word in ("-e", f"{name}={value}")]
            start = ["new-session", "-d", "-s", "p", *size, "-c", str(home / "src/shop"), *variables, "bash", "-i"]
            subprocess.run(["tmux", "-S", str(socket), "-f", "/dev/null", *start], env=env, check=True)
            wait(socket, "$")
            tmux(socket, "send-keys", "-t", "p", "C-r")
            wait(socket, "Esc leave")
            for letter in "co after:1month":
                tmux(socket, "send-keys", "-t", "p", "-l", letter)
            tmux(socket, "send-keys", "-t", "p", "Up", "Up", "Up")
            time.sleep(0.5)
            # Only the name of the machine that took the picture is not made up.
            shown = tmux(socket, "capture-pane", "-e", "-p", "-t", "p").replace(f"ada@{HOST}", "ada@laptop")
            lines = shown.rstrip("\n").split("\n")
            (root / "docs/images/screen.svg").write_text(svg(lines))
            print(tmux(socket, "capture-pane", "-p", "-t", "p"))
        finally:
            subprocess.run(["tmux", "-S", str(socket), "kill-server"], check=False)
            subprocess.run(["caro", "daemon", "stop"], env=env, check=False, capture_output=True)


main()
