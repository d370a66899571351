"""What it takes to reconcile a day of so many payments.

    python -m bench.load.reconciliation 20000 100000    prints CPU and memory

Bills as WeChat sends them, packed, and journal pages of 1 MB as DynamoDB answers them come from files; a process that
was just started compares them, and finds that they agree. Its waiting for WeChat and DynamoDB is not in it.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import random
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec

from local.sandbox.bills import FLOW_COLUMNS, FLOW_SUMMARY, TRADE_COLUMNS, TRADE_SUMMARY

_DAY = date(2026, 11, 21)
_AT = datetime(2026, 11, 21, 4, tzinfo=UTC)
_PAGE_BYTES = 1_000_000
_PIECE_BYTES = 65536


class Spent(NamedTuple):
    """CPU seconds, and resident memory in MB: of the process with the mall imported, and its highest."""

    payments: int
    cpu_s: float
    before_mb: int
    peak_mb: int


def main() -> int:
    """Measure each size in a process of its own, or (`--in FOLDER`) be that process."""
    if sys.argv[1] == "--in":
        print(msgspec.json.encode(_compare(Path(sys.argv[2]), int(sys.argv[3]))).decode())
        return 0
    print("| payments | CPU, s | MB before | MB at most |\n| --- | --- | --- | --- |")
    for given in sys.argv[1:]:
        spent = measure(int(given))
        print(f"| {spent.payments:,} | {spent.cpu_s:.2f} | {spent.before_mb} | {spent.peak_mb} |")
    return 0


def measure(payments: int) -> Spent:
    """Compare a day of so many payments, each with its fee, all of them booked."""
    with tempfile.TemporaryDirectory() as name:
        _make(Path(name), payments)
        command = [sys.executable, "-m", "bench.load.reconciliation", "--in", name, str(payments)]
        environment = os.environ | {"AWS_REGION": "cn-north-1"}
        told = subprocess.run(command, env=environment, capture_output=True, check=True).stdout
    return msgspec.json.decode(told.splitlines()[-1], type=Spent)


def _make(folder: Path, payments: int) -> None:
    from chalicelib.ledger import rules as entries
    from chalicelib.ledger.rules import Sale

    total = fees = 0
    with (
        gzip.open(folder / "trade", "wb", 6) as trade,
        gzip.open(folder / "flow", "wb", 6) as flow,
        (folder / "journal").open("wb") as journal,
    ):
        trade.write(f"\ufeff{TRADE_COLUMNS}\r\n".encode())
        flow.write(f"\ufeff{FLOW_COLUMNS}\r\n".encode())
        for _ in range(payments):
            number, transaction, fen = f"o{secrets.token_hex(12)}", _digits(28), random.randrange(100, 100_000)
            fee = (fen * 6 + 500) // 1000
            total, fees = total + fen, fees + fee
            trade.write(
                f"`2026-11-21 12:00:00,`wx0123456789abcdef,`1900000001,`0,`,`{transaction},`{number},"
                f"`o{secrets.token_urlsafe(20)},`JSAPI,`SUCCESS,`OTHERS,`CNY,`{_yuan(fen)},`0.00,`0,`0,`0.00,`0.00,`,`,"
                f"`明前龙井 250g,`,`{_yuan(fee)}000,`0.60%,`{_yuan(fen)},`0.00,`\r\n".encode()
            )
            for kind, way, amount in (("交易", "收入", fen), ("扣除交易手续费", "支出", fee)):
                flow.write(
                    f"`2026-11-21 12:00:00,`{transaction},`{_digits(28)},`交易,`{kind},`{way},`{_yuan(amount)},"
                    f"`{_yuan(total)},`1900000001,`,`{number}\r\n".encode()
                )
            journal.write(msgspec.json.encode(entries.paid(number, _AT, Sale(goods_fen=fen))) + b"\n")
        sums = f"`{payments},`{_yuan(total)},`0.00,`0.00,`{_yuan(fees)},`{_yuan(total)},`0.00"
        trade.write(f"{TRADE_SUMMARY}\r\n{sums}\r\n".encode())
        sums = f"`{2 * payments},`{payments},`{_yuan(total)},`{payments},`{_yuan(fees)}"
        flow.write(f"{FLOW_SUMMARY}\r\n{sums}\r\n".encode())


def _digits(count: int) -> str:
    return str(random.randrange(10 ** (count - 1), 10**count))


def _yuan(fen: int) -> str:
    return f"{fen // 100}.{fen % 100:02d}"


def _compare(folder: Path, payments: int) -> Spent:
    import app  # noqa: F401 - all that is in a worker's memory
    from chalicelib.gateways.wechat import api
    from chalicelib.insight.reconciliation import service
    from chalicelib.ledger import queries as ledger_queries
    from chalicelib.ledger.rules import Entry

    def call(_: str, path: str) -> bytes:
        name = "trade" if "tradebill" in path else "flow"
        with gzip.open(folder / name) as content:
            sha1 = hashlib.file_digest(content, "sha1").hexdigest()
        return msgspec.json.encode({"hash_type": "SHA1", "hash_value": sha1, "download_url": f"https://x/{name}"})

    @contextlib.contextmanager
    def download(path: str) -> Iterator[Iterator[bytes]]:
        with (folder / path.strip("/?")).open("rb") as file:
            yield iter(lambda: file.read(_PIECE_BYTES), b"")

    def of_day(_: date) -> Iterator[Entry]:
        with (folder / "journal").open("rb") as file:
            while lines := file.readlines(_PAGE_BYTES):
                page = msgspec.json.encode([{"posted": {"S": "0" * 60}, "entry": {"S": one.decode()}} for one in lines])
                for raw in msgspec.json.decode(page):
                    yield msgspec.json.decode(raw["entry"]["S"], type=Entry)

    api.call, api.download, ledger_queries.entries_of_day = call, download, of_day  # type: ignore[assignment]
    service.SECONDS_MAX = float("inf")  # type: ignore[attr-defined]
    before, began = _resident_mb(), time.process_time()
    done, differences = service._compared(_DAY)
    assert (done.theirs, done.ours.payments, differences) == (done.ours, payments, [])
    return Spent(payments, round(time.process_time() - began, 2), before, _resident_mb())


def _resident_mb() -> int:
    """The most that this process has had in memory. `ru_maxrss` counts also what its parent had when it was begun."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return round(next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024)


if __name__ == "__main__":
    raise SystemExit(main())
