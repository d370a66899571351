"""`python -m bench.cost` writes docs/cost.md from what was measured before: see bench/cost/cost_page.py."""

from __future__ import annotations

from bench.cost import cost_page

if __name__ == "__main__":
    cost_page.write()
