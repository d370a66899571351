"""A mall's tables as files, one for each, and back again: what a restore to a point in time is on one machine.

    python -m tools.snapshot export FOLDER      every item, as DynamoDB's JSON, a line each
    python -m tools.snapshot wipe               every table gone
    python -m tools.snapshot restore FOLDER     the tables made anew, with every item in them

For the mall that the environment names, with nobody in it: items are read one table after the other.
"""

from __future__ import annotations

import argparse
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from chalicelib.core import clock
from chalicelib.platform.store import tools
from chalicelib.platform.store.base import Table, call
from chalicelib.platform.store.pynamodb_patches import with_binaries
from infra.tables import every_table
from local.tables import create_all

_BATCH = 25
_TRIES = 20


def export(folder: Path) -> int:
    """Write every table into the folder; how many items there were."""
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    for table in every_table():
        with _file(folder, table).open("wb") as file:
            for raw in tools.scan_raw(table):
                file.write(msgspec.json.encode(raw) + b"\n")
                count += 1
    return count


def wipe() -> int:
    """Delete every table; how many there were."""
    found = [table for table in every_table() if table.exists()]
    for table in found:
        tools.drop(table)
    return len(found)


def restore(folder: Path) -> int:
    """Make the tables and put back what the folder has of them; how many items. Raises FileNotFoundError, before
    anything is written, when it has not all of them."""
    files = {table: _file(folder, table) for table in every_table()}
    for file in files.values():
        if not file.exists():
            raise FileNotFoundError(file)
    create_all()
    count = 0
    for table, file in files.items():
        with file.open("rb") as lines:
            while some := list(islice(lines, _BATCH)):
                _put(table, [with_binaries(msgspec.json.decode(line)) for line in some])
                count += len(some)
    return count


def _put(table: type[Table], items: list[Any]) -> None:
    request: dict[str, Any] = {table.Meta.table_name: [{"PutRequest": {"Item": item}} for item in items]}
    for attempt in range(_TRIES):
        request = call("BatchWriteItem", {"RequestItems": request}).get("UnprocessedItems", {})
        if not request:
            return
        clock.sleep(0.05 * 2**attempt)
    raise RuntimeError(f"{table.Meta.table_name} does not take its items back")


def _file(folder: Path, table: type[Table]) -> Path:
    return folder / f"{table.Meta.table_name}.jsonl"


def main() -> None:
    """Do what is asked, and say what it came to."""
    parser = argparse.ArgumentParser(prog="python -m tools.snapshot", description="Exports and restores a mall.")
    parser.add_argument("what", choices=("export", "wipe", "restore"))
    parser.add_argument("folder", type=Path, nargs="?")
    arguments = parser.parse_args()
    if arguments.what == "wipe":
        print(f"{wipe()} tables wiped")
    elif arguments.folder is None:
        parser.error("name a folder")
    elif arguments.what == "export":
        print(f"{export(arguments.folder)} items exported")
    else:
        print(f"{restore(arguments.folder)} items restored")


if __name__ == "__main__":
    main()
