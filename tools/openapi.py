"""Writes docs/openapi.json from the endpoints that the wings declare: `python -m tools.openapi`, or `make openapi`.

It is the document that a running mall answers at /openapi.json, but for the address, which each mall has for itself.
"""

from __future__ import annotations

import json
import sys

import app
from chalicelib.platform.web.openapi import document
from local.processes import ROOT

FILE = ROOT / "docs" / "openapi.json"


def page() -> str:
    """Make the document in the order of the declarations, a line for each value, so that a diff shows a change."""
    app.office()
    servers = [{"url": "/", "description": "the mall that answers this document at /openapi.json"}]
    return json.dumps(document() | {"servers": servers}, ensure_ascii=False, indent=1) + "\n"


def main() -> int:
    """Write the document; the exit status."""
    text = page()
    FILE.write_text(text, encoding="utf-8")
    print(f"{FILE.relative_to(ROOT)}: {len(document()['paths'])} paths")
    return 0


if __name__ == "__main__":
    sys.exit(main())
