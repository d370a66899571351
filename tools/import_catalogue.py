"""Puts a catalogue from files into a mall that runs, categories first, and says what became of each line.

    python -m tools.import_catalogue products.csv --categories categories.csv

.jsonl and .csv, by the file's name. The operator is NAME with PASSWORD (admin / admin of a local mall). A long file
goes in parts below the mall's limits. Running it again changes nothing; the exit status is 1 when any line failed.
"""

from __future__ import annotations

import argparse
import csv
import io
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import requests

_SECONDS = 60
#: Below the 256 KiB and the 500 lines of one call, and within the time that it has.
_PART_BYTES_MAX = 240_000
_PART_LINES_MAX = 100
_FORMATS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv"}
#: Parents may be in a later part of the file: as often as there are levels, what failed is sent again.
_CATEGORY_ROUNDS = 3


class ImportFault(Exception):
    """What keeps a file from being imported at all, for a person to read."""


class Record(NamedTuple):
    """One thing in a file: the line it starts on, and its text with the end of line."""

    line: int
    text: str


class Part(NamedTuple):
    """What is sent in one call, and the file's line for each line of it."""

    body: bytes
    lines: dict[int, int]


Report = dict[int, dict[str, Any]]


def main() -> int:
    """Import the files of the command line; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.import_catalogue", description="Imports a catalogue.")
    parser.add_argument("file", type=Path, help="products, .jsonl or .csv")
    parser.add_argument("--categories", type=Path, help="their categories, .jsonl or .csv")
    parser.add_argument("--api", default=f"http://127.0.0.1:{os.environ.get('PORT') or 8000}", help="where the mall is")
    parser.add_argument("--all", action="store_true", help="name every line, not only what failed or was left out")
    arguments = parser.parse_args()
    failed = False
    try:
        session = operator(
            arguments.api,
            os.environ.get("YUTANG_OPERATOR") or "admin",
            os.environ.get("YUTANG_OPERATOR_PASSWORD") or "admin",
            os.environ.get("YUTANG_OPERATOR_TOTP"),
        )
        if arguments.categories is not None:
            report = import_categories(session, arguments.api, arguments.categories)
            failed |= show(arguments.categories, report, arguments.all)
        report = import_products(session, arguments.api, arguments.file)
        failed |= show(arguments.file, report, arguments.all)
    except ImportFault as fault:
        print(f"import: {fault}", file=sys.stderr)
        return 1
    return int(failed)


def operator(api: str, name: str, password: str, totp: str | None = None) -> requests.Session:
    """A session logged in as that operator, with the code of their second factor if any. Raises ImportFault."""
    session = requests.Session()
    session.trust_env = False  # the mall is on this machine, whatever proxy it has
    who = {"name": name, "password": password, "totp": totp}
    answer = request(session, "POST", f"{api}/v1/admin/login", json=who)
    session.headers["Authorization"] = f"Bearer {answer.json()['token']}"
    return session


def request(session: requests.Session, method: str, url: str, **options: Any) -> requests.Response:
    """Call the mall. Raises ImportFault when it does not answer, or refuses."""
    try:
        answer = session.request(method, url, timeout=_SECONDS, **options)
    except requests.RequestException as fault:
        raise ImportFault(f"no mall answers at {url} ({type(fault).__name__}); is `make run` running?") from fault
    if answer.status_code >= 400:
        raise ImportFault(f"{method} {url} was refused: {answer.status_code} {answer.text[:500]}")
    return answer


def import_categories(session: requests.Session, api: str, file: Path) -> Report:
    """Send the categories; what became of each line. Raises ImportFault."""
    parts = split(file)
    report: Report = {}
    for _ in range(_CATEGORY_ROUNDS if len(parts) > 1 else 1):
        for part in parts:
            for line, found in _send(session, f"{api}/v1/admin/categories/import", file, part).items():
                if report.get(line, {"outcome": "failed"})["outcome"] == "failed":
                    report[line] = found
    return report


def import_products(session: requests.Session, api: str, file: Path) -> Report:
    """Send the products; what became of each line. Raises ImportFault."""
    report: Report = {}
    for part in split(file):
        report |= _send(session, f"{api}/v1/admin/catalogue/import", file, part)
    return report


def _send(session: requests.Session, url: str, file: Path, part: Part) -> Report:
    headers = {"Content-Type": "text/plain; charset=utf-8"}
    answer = request(session, "POST", f"{url}?format={_format(file)}", data=part.body, headers=headers)
    return {part.lines.get(line["line"], line["line"]): line for line in answer.json()["lines"]}


def split(file: Path) -> list[Part]:
    """The file in parts that one call each can take. Raises ImportFault when it cannot be read."""
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except OSError as fault:
        raise ImportFault(f"cannot read {file}: {fault.strerror}") from fault
    except UnicodeDecodeError as fault:
        raise ImportFault(f"{file} is not UTF-8 (at byte {fault.start})") from fault
    header, records = _csv_records(text) if _format(file) == "csv" else ("", _jsonl_records(text))
    parts: list[Part] = []
    waiting: list[Record] = []
    size = 0
    for record in records:
        length = len(record.text.encode())
        if waiting and (len(waiting) == _PART_LINES_MAX or size + length > _PART_BYTES_MAX):
            parts.append(_part(header, waiting))
            waiting, size = [], 0
        waiting.append(record)
        size += length
    if waiting:
        parts.append(_part(header, waiting))
    if not parts:
        raise ImportFault(f"there is nothing in {file}")
    return parts


def _part(header: str, records: Sequence[Record]) -> Part:
    lines: dict[int, int] = {}
    number = 1 + _height(header)
    for record in records:
        lines[number] = record.line
        number += _height(record.text)
    return Part((header + "".join(record.text for record in records)).encode(), lines)


def _height(text: str) -> int:
    return len(io.StringIO(text, newline="").readlines())


def _jsonl_records(text: str) -> Iterator[Record]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield Record(number, line.rstrip("\r") + "\n")


def _csv_records(text: str) -> tuple[str, Iterator[Record]]:
    csv.field_size_limit(max(len(text) + 1, csv.field_size_limit()))
    reader = csv.reader(io.StringIO(text, newline=""))

    def records() -> Iterator[Record]:
        while True:
            number = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            if any(cell.strip() for cell in cells):
                yield Record(number, _csv_line(cells))

    found = records()
    first = next(found, None)
    return first.text if first is not None else "", found


def _csv_line(cells: Sequence[str]) -> str:
    out = io.StringIO(newline="")
    csv.writer(out).writerow(cells)
    return out.getvalue()


def _format(file: Path) -> str:
    try:
        return _FORMATS[file.suffix.lower()]
    except KeyError:
        raise ImportFault(f"{file}: the name must end in one of {', '.join(_FORMATS)}") from None


def show(file: Path, report: Report, every: bool) -> bool:
    """Print what became of the lines; whether any failed."""
    for number, line in sorted(report.items()):
        notes = [("error", note) for note in line.get("errors", [])]
        notes += [("warning", note) for note in line.get("warnings", [])]
        if every or notes:
            print(f"{file.name}:{number}: {line['outcome']}")
        for kind, note in notes:
            print(f"    {kind} in {note['field']}: {note['message']}")
    outcomes = [line["outcome"] for line in report.values()]
    counts = ", ".join(f"{outcomes.count(name)} {name}" for name in ("created", "changed", "unchanged", "failed"))
    print(f"{file.name}: {len(outcomes)} lines: {counts}")
    return "failed" in outcomes


if __name__ == "__main__":
    sys.exit(main())
