"""Write the hashes of what requirements.txt and requirements-dev.txt pin: `make pins`, after a version was changed.

pip then installs nothing else under these names and versions than what was there when the pins were made; and it
refuses a package that is not pinned. uv asks the package index for the hashes of every file of a version, for all
platforms.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILES = ("requirements.txt", "requirements-dev.txt")
_PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^ \\]+)")
_UV = ("uv", "pip", "compile", "-q", "--universal", "--no-deps", "--generate-hashes", "--no-header", "--no-annotate")


def pins(text: str) -> dict[str, str]:
    """List what a requirements file pins: the version by the package's name."""
    return {match["name"]: match["version"] for line in text.splitlines() if (match := _PIN.match(line))}


def hashed(text: str, found: str) -> str:
    """Give the requirements file `text` with the hashes that uv `found` in place of its own; its comments and its order
    stay."""
    hashes: dict[str, list[str]] = {}
    for line in found.splitlines():
        if match := _PIN.match(line):
            known = hashes.setdefault(_plain(match["name"]), [])
        elif digest := re.search(r"--hash=\S+", line):
            known.append(digest[0])
    lines: list[str] = []
    for line in text.splitlines():
        if match := _PIN.match(line):
            pin = f"{match['name']}=={match['version']}"
            lines.append(" \\\n    ".join([pin, *hashes[_plain(match["name"])]]))
        elif not line.lstrip().startswith("--hash="):
            lines.append(line)
    return "\n".join(lines) + "\n"


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def main() -> int:
    """Write both files. 0 when done, 1 when the index did not answer."""
    for name in FILES:
        file = ROOT / name
        done = subprocess.run(
            [sys.executable, "-m", *_UV, str(file)], capture_output=True, text=True, check=False, cwd=ROOT
        )
        if done.returncode != 0:
            print(done.stderr, file=sys.stderr)
            return 1
        file.write_text(hashed(file.read_text(), done.stdout))
        print(f"{name}: {len(pins(file.read_text()))} packages")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
