"""`python -m bench.simulation`: see bench/simulation/flash.py."""

from __future__ import annotations

from bench.simulation.flash import main

if __name__ == "__main__":
    raise SystemExit(main())
