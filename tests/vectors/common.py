"""What the scripts that make vectors share: the two actions, and the packages they need.

Nothing here computes anything.
"""

import argparse
import importlib.util
import json
import pathlib
import subprocess
import sys
import tempfile
import venv

HERE = pathlib.Path(__file__).resolve().parent


def text(value):
    """JSON with bytes as hexadecimal, one field per line."""
    return json.dumps(value, indent=1, default=lambda data: data.hex(), ensure_ascii=True) + "\n"


def folder(name):
    """Where the vectors of this name are."""
    return HERE.parent.parent / "schema" / "vectors" / name


def compare_or_write(name, files, write):
    out, different = folder(name), []
    out.mkdir(parents=True, exist_ok=True)
    for file, make in files.items():
        computed, path = text(make()), out / file
        if write:
            path.write_text(computed)
        elif not path.exists() or path.read_text() != computed:
            different.append(file)
    unknown = sorted(path.name for path in out.iterdir() if path.is_file() and path.name not in files)
    for file in different:
        print(f"{file}: differs from what is computed", file=sys.stderr)
    for file in unknown:
        print(f"{file}: nothing computes it", file=sys.stderr)
    print(f"{len(files) - len(different)} of {len(files)} files of {name} vectors agree")
    return 1 if different or unknown else 0


def run_in_temporary_folder(script):
    with tempfile.TemporaryDirectory(prefix="caro-vectors-") as temporary:
        venv.create(temporary, with_pip=True)
        python = str(pathlib.Path(temporary) / ("Scripts" if sys.platform == "win32" else "bin") / "python")
        requirements = str(HERE / "requirements.txt")
        subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", requirements], check=True)
        return subprocess.run([python, script, *sys.argv[1:]], check=False).returncode


def main(script, description, needs, name, files):
    """Runs a script: FILES are what makes each file of the vectors of this NAME."""
    parser = argparse.ArgumentParser(description=description)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--check", action="store_true", help="compare the files with what is computed")
    action.add_argument("--write", action="store_true", help="write the files")
    chosen = parser.parse_args()
    if any(importlib.util.find_spec(package) is None for package in needs):
        if sys.prefix != sys.base_prefix and "caro-vectors-" in sys.prefix:
            sys.exit("requirements.txt does not hold every package that this script needs")
        return run_in_temporary_folder(script)
    return compare_or_write(name, files, chosen.write)
