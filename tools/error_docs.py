"""Writes docs/errors.md from the table of codes.

python -m tools.error_docs
"""

from __future__ import annotations

import sys

from chalicelib.core.errors import CODES
from local.processes import ROOT

FILE = ROOT / "docs" / "errors.md"

_HEAD = """\
# Errors

Every refusal is `application/problem+json` with one of these codes. A code never changes its meaning; the texts may
change, and are in the language that `Accept-Language` asks for (Chinese unless it begins with `en`). 429 and 503 say
in `Retry-After` when to come again; 400 and 422 name the fields in `errors`. A `{name}` is filled in.

Made by `python -m tools.error_docs` from `chalicelib/core/errors.py`; a test holds that it is up to date.

| code | status | text | 中文 |
|---|---|---|---|
"""


def page() -> str:
    """The page, codes by status and then by name."""
    rows = sorted((meaning.status, code, meaning) for code, meaning in CODES.items())
    return _HEAD + "".join(f"| `{code}` | {status} | {what.en} | {what.zh} |\n" for status, code, what in rows)


def main() -> int:
    """Write the page; the exit status."""
    FILE.write_text(page(), encoding="utf-8")
    print(f"{FILE.relative_to(ROOT)}: {len(CODES)} codes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
