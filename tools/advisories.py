"""Ask whether what is deployed has a known vulnerability: `make advisories`, which CI asks too.

pip-audit looks the pinned packages up where the Python community reports them. Where nobody answers, that is said and
is no fault: a build does not hang on a service outside. That pip-audit itself fails or is not there is one.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec

REQUIREMENTS = Path(__file__).resolve().parent.parent / "requirements.txt"
_SECONDS = 120
#: Lines of pip-audit's that are told when it fails, and what stands in them where nobody answers.
_LINES = 5
_UNANSWERED = re.compile(
    r"connection ?error|could not connect|connection (refused|reset|aborted)|max retries exceeded|timed out"
    r"|gateway time-?out|(connect|read)timeout|name resolution|name or service not known|network is unreachable",
    re.IGNORECASE,
)
_ASK = (
    "-m", "pip_audit", "--requirement", str(REQUIREMENTS), "--disable-pip", "--require-hashes",
    "--format", "json", "--progress-spinner", "off", "--timeout", "10",
)  # fmt: skip


def told(report: bytes) -> tuple[list[str], list[str]]:
    """Read pip-audit's report: the vulnerabilities, and the packages that nobody knows anything of. Raises ValueError
    for what is no report."""
    packages: list[dict[str, Any]] = msgspec.json.decode(report, type=dict[str, Any])["dependencies"]
    found = [
        f"{package['name']} {package['version']}: {one['id']}, mended in {', '.join(one['fix_versions']) or 'none'}"
        for package in packages
        for one in package.get("vulns", [])
    ]
    return found, [package["name"] for package in packages if "skip_reason" in package]


def failed(complaint: str) -> int:
    """Say why there is no report, as pip-audit's standard error tells it: 0 where nobody answered, else 1."""
    last = [line for line in complaint.splitlines() if line.strip()][-_LINES:]
    if any(_UNANSWERED.search(line) for line in last):
        print("advisories: nobody answered; nothing was looked up")
        return 0
    print("\n".join(["advisories: pip-audit failed; nothing was looked up", *last]))
    return 1


def main() -> int:
    """Ask, and print what was said. 1 when something is vulnerable or pip-audit fails, else 0."""
    try:
        done = subprocess.run([sys.executable, *_ASK], capture_output=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return failed("timed out")
    try:
        found, unknown = told(done.stdout)
    except (ValueError, KeyError):
        return failed(done.stderr.decode(errors="replace"))
    if unknown:
        print(f"advisories: {len(unknown)} packages could not be looked up")
    print("\n".join(found) or "advisories: no known vulnerability in what could be looked up")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
