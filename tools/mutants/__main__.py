"""Plants small faults in the rule modules, one at a time, and tells how many of them the unit tests notice.

    make mutants [MINUTES=20] [SEED=1] [ONLY=chalicelib/commerce/pricing]

Random, but the same for a seed: a fault of each module in turn, until the minutes are over. Of each, those unit tests
run that run its line. Hypothesis plays the same examples each time. Exits with 1 below `WANTED`.

mutmut and cosmic-ray were looked at: they plant neither any for all, nor a dropped condition of a comprehension, nor
rounding up for down, which are the faults that such tests miss most often, and they know no bound in time.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.util
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from tools.mutants import covered
from tools.mutants.covered import QUIETLY, Seen
from tools.mutants.faults import Mutant, described, mutants_of, planted

ROOT = Path(__file__).resolve().parents[2]
#: The share of planted faults, in percent, that the unit tests are to notice.
WANTED = 95.0
#: Beside every rules.py: what else decides, and is pure.
ALSO = ("chalicelib/core/money.py", "chalicelib/gateways/outbound.py")
#: How many mutants are judged at once.
_WORKERS = 2


class Result(msgspec.Struct, frozen=True):
    """What became of a mutant: noticed, or "survived", or that no unit test runs its line ("not run")."""

    mutant: Mutant
    fate: str


def modules(only: str) -> list[str]:
    """List the modules in which faults are planted, as paths below the root."""
    found = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "chalicelib").rglob("rules.py"))
    return [path for path in [*found, *ALSO] if path.startswith(only)]


def in_turn(paths: Sequence[str], seed: int) -> Iterator[Mutant]:
    """Give the faults of all modules, one of each in turn, in a random order that the seed decides."""
    chance = random.Random(seed)  # noqa: S311  not a secret
    waiting = [mutants_of(path, (ROOT / path).read_text(encoding="utf-8")) for path in paths]
    for faults in waiting:
        chance.shuffle(faults)
    while waiting := [faults for faults in waiting if faults]:
        for faults in waiting:
            yield faults.pop()


def survives(mutant: Mutant | None, tests: Sequence[str]) -> bool:
    """Run these tests with the fault in place (None: as all is), in this process, which is of no other use afterwards.

    Raises RuntimeError where pytest could not run them, for a reason that is not the fault's.
    """
    import pytest
    from hypothesis import Phase, settings

    class Plan:
        """Plants the fault before a test is imported, and keeps the tests that are asked for, in this order.

        Hypothesis looks for no smaller example of what failed.
        """

        def pytest_sessionstart(self) -> None:
            settings.register_profile("mutants", settings(), phases=[Phase.explicit, Phase.generate])
            settings.load_profile("mutants")
            if mutant is not None:
                _import_planted(mutant)

        def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
            place = {name: number for number, name in enumerate(tests)}
            items[:] = sorted((item for item in items if item.nodeid in place), key=lambda item: place[item.nodeid])

    files = dict.fromkeys(name.partition("::")[0] for name in tests)
    nowhere = Path(os.devnull).open("w")  # noqa: SIM115  open until the process ends
    with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        status = pytest.main(["-x", "-q", *QUIETLY, "--tb=no", *files], [Plan()])
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED):
        raise RuntimeError(f"pytest ended with {status}")
    return status == pytest.ExitCode.OK


def _import_planted(mutant: Mutant) -> None:
    """Import the module with the fault in it, so that everybody after this finds that one; or a module that is empty,
    where it cannot be imported like that."""
    path = ROOT / mutant.path
    name = mutant.path.removesuffix(".py").replace("/", ".")
    package, _, leaf = name.rpartition(".")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    setattr(importlib.import_module(package), leaf, module)
    tree = planted(path.read_text(encoding="utf-8"), mutant)
    with contextlib.suppress(Exception):
        exec(compile(tree, str(path), "exec"), module.__dict__)  # noqa: S102  that is what is asked for


def _judge(job: tuple[Mutant, list[str], float, float]) -> Result | None:
    """Judge one mutant in a process of its own, which is ended when it takes too long: that is noticed, too.

    None, where the time for all of them is over.
    """
    mutant, tests, seconds, end = job
    if time.monotonic() >= end:
        return None
    if not tests:
        return Result(mutant, "not run")
    return Result(mutant, "survived" if _alone(mutant, tests, seconds) else "noticed")


def _alone(mutant: Mutant | None, tests: Sequence[str], seconds: float) -> bool:
    """Tell whether a mutant survives these tests, and ends within so many seconds, in a process of its own.

    Raises RuntimeError where they could not be run.
    """
    child = os.fork()
    if child == 0:
        try:
            status = 0 if survives(mutant, tests) else 1
        except BaseException as fault:
            print(f"{mutant}: {fault!r}", file=sys.stderr, flush=True)
            status = 2
        os._exit(status)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done and os.waitstatus_to_exitcode(status) == 2:
            raise RuntimeError(f"these tests could not be run: {tests[:3]}")
        if done:
            return status == 0
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def look(paths: Sequence[str]) -> Seen:
    """Run the unit tests once, in a process of its own, to see which lines each runs."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "seen.json"
        process = multiprocessing.get_context("spawn").Process(target=covered.watch, args=(paths, ROOT, target))
        process.start()
        process.join()
        seen = msgspec.json.decode(target.read_bytes(), type=Seen)
    if not seen.passed:
        raise SystemExit("the unit tests fail as they are")
    return seen


def judged(paths: Sequence[str], seen: Seen, seed: int, minutes: float) -> Iterator[Result]:
    """Judge faults until the minutes are over, or there are none left."""
    for name in seen.modules:  # what every process would import again
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    end = time.monotonic() + minutes * 60
    jobs: list[tuple[Mutant, list[str], float, float]] = []
    for mutant in in_turn(paths, seed):
        tests = sorted(seen.tests.get(f"{mutant.path}:{mutant.line}", []), key=lambda test: seen.seconds[test])
        jobs.append((mutant, tests, 30 + 10 * sum(seen.seconds[test] for test in tests), end))
    if not _alone(None, jobs[0][1], jobs[0][2]):
        raise SystemExit("the first tests fail as they are, when they are run so")
    with multiprocessing.get_context("fork").Pool(_WORKERS) as pool:
        for result in pool.imap_unordered(_judge, jobs):
            if result is not None:
                yield result


def report(results: Sequence[Result]) -> float:
    """Print the mutants that live, and a table by module; give the share that was noticed, in percent."""
    by_module: dict[str, Counter[str]] = defaultdict(Counter)
    for result in results:
        by_module[result.mutant.path][result.fate] += 1
    for result in sorted(results, key=lambda each: (each.mutant.path, each.mutant.line)):
        if result.fate != "noticed":
            source = (ROOT / result.mutant.path).read_text(encoding="utf-8")
            print(f"{result.fate:8}  {described(source, result.mutant)}")
    print()
    for path, fates in sorted(by_module.items()):
        total = fates.total()
        print(f"{fates['noticed']:5} of {total:5}  {100 * fates['noticed'] / total:5.1f} %  {path}")
    noticed = sum(result.fate == "noticed" for result in results)
    share = 100 * noticed / max(1, len(results))
    print(f"{noticed:5} of {len(results):5}  {share:5.1f} %  in all; wanted are {WANTED} %")
    return share


def main() -> int:
    """Plant, judge, report; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="chalicelib")
    asked = parser.parse_args()
    os.environ["CI"] = "true"  # Hypothesis plays the same examples each time
    os.chdir(ROOT)
    paths = modules(asked.only)
    return 0 if report(list(judged(paths, look(paths), asked.seed, asked.minutes))) >= WANTED else 1


if __name__ == "__main__":
    sys.exit(main())
