"""Puts a catalogue from files into a mall that runs, categories first, and says what became of each line.

    python -m tools.import_catalogue products.csv --categories categories.csv

.jsonl and .csv, by the file's name; of another shop's products `--columns` names a file with the map of its columns
(docs/operators.md), and `--freight` one with freight templates, as GET /v1/admin/freight-templates answers them. The
operator is NAME with PASSWORD (admin / admin of a local mall). A long file goes in parts below the mall's limits; a
code that stands twice is found wherever it does. What is wrong with a line is told in Chinese, or in English where LANG
begins with en. Running it again changes nothing; the exit status is 1 when any line failed.
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

import msgspec
import requests

from chalicelib.commerce.catalogue.column_maps.rules import column_map
from chalicelib.commerce.catalogue.import_export import rules as file_format
from chalicelib.commerce.catalogue.import_export.inputs import CategoryLine, ProductLine
from chalicelib.commerce.catalogue.refusals import ON_AN_EARLIER_LINE, ROW_AT_FAULT
from chalicelib.commerce.catalogue.rules import tidy
from chalicelib.commerce.catalogue.sheets import rules as sheets
from chalicelib.core.errors import FieldError, MallError
from chalicelib.platform.web import problems

_SECONDS = 60
#: Below the 1 MiB and the 500 lines of one call, and within the time that it has.
_PART_BYTES_MAX = 240_000
_PART_ENTRIES_MAX = 100
_PART_LINES_MAX = 450
_FORMATS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv"}
#: Parents may be in a later part of the file: as often as there are levels, what failed is sent again.
_CATEGORY_ROUNDS = 3


class ImportFault(Exception):
    """What keeps a file from being imported at all, for a person to read."""


class Record(NamedTuple):
    """One thing in a file, which is sent as a whole: its code ("": none that can be read), and the lines it stands on,
    each with its number and its text with the end of line."""

    code: str
    lines: list[tuple[int, str]]


class Part(NamedTuple):
    """What is sent in one call, and the file's line for each line of it."""

    body: bytes
    lines: dict[int, int]


Report = dict[int, dict[str, Any]]


class Split(NamedTuple):
    """A file in parts that one call each can take, the encoding that it was in, and what is not sent: the lines that
    cannot be read, and those whose code stands on an earlier one."""

    parts: list[Part]
    encoding: str
    report: Report


def main() -> int:
    """Import the files of the command line; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.import_catalogue", description="Imports a catalogue.")
    parser.add_argument("file", type=Path, help="products, .jsonl or .csv")
    parser.add_argument("--columns", type=Path, help="which of their columns is which of ours, for products in .csv")
    parser.add_argument("--freight", type=Path, help="their freight templates, .json")
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
        columns = "" if arguments.columns is None else _text(arguments.columns)
        if arguments.freight is not None:
            import_freight(session, arguments.api, arguments.freight)
        if arguments.categories is not None:
            report = import_categories(session, arguments.api, arguments.categories)
            failed |= show(arguments.categories, report, arguments.all)
        report = import_products(session, arguments.api, arguments.file, columns)
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
    session.headers["Accept-Language"] = _language()
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


def import_freight(session: requests.Session, api: str, file: Path) -> None:
    """Put the freight templates of a file. Raises ImportFault."""
    try:
        templates = msgspec.json.decode(_text(file), type=_Templates).items
    except msgspec.DecodeError as fault:
        raise ImportFault(f"{file} has no freight templates as the mall lists them: {fault}") from fault
    for one in templates:
        request(session, "PUT", f"{api}/v1/admin/freight-templates/{one.template_id}", json=one.template)
    print(f"{file.name}: {len(templates)} freight templates")


class _Template(msgspec.Struct):
    template_id: str
    template: dict[str, Any]


class _Templates(msgspec.Struct):
    items: list[_Template]


def import_categories(session: requests.Session, api: str, file: Path) -> Report:
    """Send the categories; what became of each line. Raises ImportFault."""
    parts, _, report = split(file, CategoryLine)
    for _ in range(_CATEGORY_ROUNDS if len(parts) > 1 else 1):
        for part in parts:
            for line, found in _send(session, f"{api}/v1/admin/categories/import", file, part).items():
                if report.get(line, {"outcome": "failed"})["outcome"] == "failed":
                    report[line] = found
    return report


def import_products(session: requests.Session, api: str, file: Path, columns: str = "") -> Report:
    """Send the products; what became of each line. Raises ImportFault."""
    parts, _, report = split(file, ProductLine, columns)
    for part in parts:
        report |= _send(session, f"{api}/v1/admin/catalogue/import", file, part, columns)
    return report


def _send(session: requests.Session, url: str, file: Path, part: Part, columns: str = "") -> Report:
    headers = {"Content-Type": "text/plain; charset=utf-8"}
    query = {"format": _format(file)} | ({"columns": columns} if columns else {})
    answer = request(session, "POST", url, params=query, data=part.body, headers=headers)
    return {part.lines.get(line["line"], line["line"]): _placed(line, part.lines) for line in answer.json()["lines"]}


def _placed(line: dict[str, Any], lines: dict[int, int]) -> dict[str, Any]:
    """What became of a line; another line that it names, by its place in the file."""
    line["errors"] = [
        _note(ROW_AT_FAULT.at(note["field"], other=lines.get(note["other"], note["other"])))
        if note["code"] == ROW_AT_FAULT.code
        else note
        for note in line.get("errors", [])
    ]
    return line


def split(file: Path, struct: type[msgspec.Struct], columns: str = "") -> Split:
    """The file in parts that one call each can take. Raises ImportFault when it cannot be read."""
    try:
        text = sheets.decode(_bytes(file), _format(file) != "csv")
        header, records, report = (
            _csv_records(text.text, struct, columns)
            if _format(file) == "csv"
            else ("", list(_jsonl_records(text.text, struct.__struct_fields__[0])), {})
        )
    except MallError as fault:
        raise ImportFault(f"{file}: {fault.text(_language(), _labels())}") from fault
    if text.encoding != "utf-8":
        print(f"{file.name}: read as {text.encoding.upper()}")
    once: dict[str, Record] = {}
    for record in records:
        line = record.lines[0][0]
        earlier = once.setdefault(record.code or f"\n{line}", record).lines[0][0]
        if earlier != line:
            report[line] = _failed(line, [ON_AN_EARLIER_LINE.at(struct.__struct_fields__[0], earlier=earlier)])
    parts = list(_parts(header, list(once.values())))
    if not parts and not report:
        raise ImportFault(f"there is nothing in {file}")
    return Split(parts, text.encoding, report)


def _parts(header: str, records: Sequence[Record]) -> Iterator[Part]:
    waiting: list[Record] = []
    size = lines = 0
    for record in records:
        length = sum(len(text.encode()) for _, text in record.lines)
        full = len(waiting) == _PART_ENTRIES_MAX or lines + len(record.lines) > _PART_LINES_MAX
        if waiting and (full or size + length > _PART_BYTES_MAX):
            yield _part(header, waiting)
            waiting, size, lines = [], 0, 0
        waiting.append(record)
        size += length
        lines += len(record.lines)
    if waiting:
        yield _part(header, waiting)


def _part(header: str, records: Sequence[Record]) -> Part:
    lines: dict[int, int] = {}
    number = 1 + _height(header)
    texts = [line for record in records for line in record.lines]
    for line, text in texts:
        lines[number] = line
        number += _height(text)
    return Part((header + "".join(text for _, text in texts)).encode(), lines)


def _height(text: str) -> int:
    return len(io.StringIO(text, newline="").readlines())


def _jsonl_records(text: str, key: str) -> Iterator[Record]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                code = msgspec.json.decode(line, type=dict[str, Any]).get(key)
            except (msgspec.DecodeError, RecursionError):
                code = None
            yield Record(tidy(code) if isinstance(code, str) else "", [(number, line.rstrip("\r") + "\n")])


def _csv_records(text: str, struct: type[msgspec.Struct], columns: str) -> tuple[str, list[Record], Report]:
    """The headings, what is to be sent, and what of the rest is wrong."""
    csv.field_size_limit(max(len(text) + 1, csv.field_size_limit()))
    table = sheets.table(text)
    records: list[Record] = []
    report: Report = {}
    for entry in file_format.entries(
        table, struct, column_map(columns, table.headings, file_format.columns_of(struct))
    ):
        faults = [(row.line, row.fault) for row in entry.rows if row.fault is not None]
        for one in file_format.at_fault(entry.rows[0].line, faults) if faults else []:
            report[one.line] = _failed(one.line, one.errors)
        if not faults:
            records.append(Record(entry.code, [(row.line, _csv_line(row.cells)) for row in entry.rows]))
    return _csv_line(table.headings), records, report


def _csv_line(cells: Sequence[str]) -> str:
    out = io.StringIO(newline="")
    csv.writer(out).writerow(cells)
    return out.getvalue()


def _failed(line: int, errors: Sequence[FieldError]) -> dict[str, Any]:
    return {"line": line, "outcome": "failed", "errors": [_note(error) for error in errors]}


def _note(error: FieldError) -> dict[str, Any]:
    return problems.field_problem(error, _language(), _labels())


def _labels() -> Any:
    return problems.labels_of(file_format.__name__)


def _language() -> str:
    return "en" if os.environ.get("LANG", "").lower().startswith("en") else "zh"


def _text(file: Path) -> str:
    try:
        return sheets.decode(_bytes(file)).text
    except MallError as fault:
        raise ImportFault(f"{file}: {fault.text(_language(), _labels())}") from fault


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as fault:
        raise ImportFault(f"cannot read {file}: {fault.strerror}") from fault


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
