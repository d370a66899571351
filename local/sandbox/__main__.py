"""Run it: python -m local.sandbox --port 8001 --data DIR [--clock FILE]."""

from __future__ import annotations

import argparse
from pathlib import Path

import waitress

from local.clock import LocalClock
from local.keys import load_or_make
from local.processes import ROOM
from local.sandbox.app import THREADS, create_app


def main() -> None:
    """Serve until killed; everything is in DIR, so that a new start goes on where the old one was."""
    parser = argparse.ArgumentParser(prog="local.sandbox", description="WeChat's servers on one machine")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data", type=Path, required=True, help="directory of the keys and the state")
    parser.add_argument("--clock", type=Path, help="file of the mall's clock (default: DIR/clock)")
    parser.add_argument("--messages", help="address at which the mall hears messages")
    parser.add_argument("--sms", help="address at which the mall hears of SMS, before the vendor's name")
    given = parser.parse_args()
    clock = LocalClock(given.clock or given.data / "clock")
    app = create_app(load_or_make(given.data), given.data / "sandbox.db", clock, given.messages, given.sms)
    waitress.serve(app, host="127.0.0.1", port=given.port, threads=THREADS, ident="sandbox", **ROOM)


if __name__ == "__main__":
    main()
