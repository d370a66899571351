"""Measure what the mall takes: `python -m bench` writes bench/results.json, docs/bench.md and docs/cost.md.

`python -m bench journeys` measures journeys alone, in minutes, and keeps all other figures as they were measured last.
BENCH_QUICK=1 makes a short run, for trying it out, and writes into build/ instead. Linux only: the server's CPU time
is read from the kernel.
"""

from __future__ import annotations

import functools
import importlib
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec

from local import environment

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Measure, write, and print what was written."""
    if not sys.platform.startswith("linux"):
        print("python -m bench reads CPU times from the Linux kernel", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        places = environment.prepare(Path(folder) / "keys")
        for shards in ("YUTANG_JOB_SHARDS", "YUTANG_MANY_SHARDS"):  # as many as a deployed mall has
            os.environ.pop(shards)
        os.environ["YUTANG_CACHE_SECONDS"] = "3600"  # what is remembered depends on no watch, but on `forget`
        run = importlib.import_module("bench.run")  # only now: it reads the environment
        measure = functools.partial(_with_journeys, run) if sys.argv[1:] == ["journeys"] else run.run
        results = measure(Path(folder), places)
    page = importlib.import_module("bench.report").page(results)
    where = ROOT / "build" if results.quick else ROOT
    figures = msgspec.json.format(msgspec.json.encode(results)).decode() + "\n"
    for file, content in ((where / "bench" / "results.json", figures), (where / "docs" / "bench.md", page)):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    importlib.import_module("bench.cost.cost_page").write(where)
    print(page)
    return 0


def _with_journeys(run: Any, folder: Path, places: environment.Places) -> Any:
    """What was measured last, with journeys as they are measured now."""
    kept = msgspec.json.decode((ROOT / "bench" / "results.json").read_bytes())
    kept |= {"journeys": run.only_journeys(folder, places), "quick": run.QUICK}
    results: Any = importlib.import_module("bench.report").Results
    return msgspec.json.decode(msgspec.json.encode(kept), type=results)


if __name__ == "__main__":
    raise SystemExit(main())
