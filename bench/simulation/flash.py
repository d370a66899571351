"""A flash sale in figures: `python -m bench.simulation` measures what an order touches, simulates, writes the page.

    python -m bench.simulation           measure (with an engine and a sandbox of its own), simulate, write
    python -m bench.simulation --kept    the same with the touches that flash.json has: no engine is needed

It writes bench/simulation/flash.json and docs/flash-sale.md, and takes some minutes of the processor's time.
"""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import msgspec

from local import environment

ROOT = Path(__file__).resolve().parent.parent.parent
FILE = ROOT / "bench" / "simulation" / "flash.json"
PAGE = ROOT / "docs" / "flash-sale.md"


def main() -> int:
    """Measure or read, simulate every case, write both files."""
    with tempfile.TemporaryDirectory() as folder:
        places = environment.prepare(Path(folder) / "keys")
        pages = importlib.import_module("bench.simulation.flash_page")  # only now: it reads the environment
        touches = pages.read(FILE.read_bytes()).touches if "--kept" in sys.argv else _measured(Path(folder), places)
        with ProcessPoolExecutor(os.cpu_count()) as pool:
            runs = list(pool.map(_run, pages.SALES, [touches] * len(pages.SALES)))
    kept = pages.Kept(touches=touches, runs=runs)
    FILE.write_bytes(pages.written(kept))
    PAGE.write_text(pages.page(kept), encoding="utf-8")
    return 0


def _measured(folder: Path, places: environment.Places) -> Any:
    running, measuring = importlib.import_module("bench.run"), importlib.import_module("bench.units.key_heat")
    operators = importlib.import_module("local.client")
    with running.in_this_process(folder, places) as (send, sandbox, _):
        return measuring.Measurement(send, sandbox, operators.Operator.arrive(send)).run()


def _run(sale: Any, touches: Any) -> Any:
    simulation = importlib.import_module("bench.simulation.flash_simulation")
    pages = importlib.import_module("bench.simulation.flash_page")
    outcome = simulation.FlashSimulation(sale, touches).run()
    print(msgspec.json.encode(sale).decode(), flush=True)
    return pages.Run(sale=sale, outcome=outcome)
