"""Furnishes an empty mall: the operator admin / admin, freight, categories, products.

    python -m local.demo.furnish --api URL

A mall that has products already is left as it is, so that what an operator changed stays when the mall is opened again.
The brand and its goods are made up. Both files are short: each goes in one call, and needs no tool that cuts it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import requests

from chalicelib.mall.operators import service as operators
from local.demo.stage import Person, Unexpected
from local.owner import NAME, PASSWORD

_HERE = Path(__file__).parent
CATEGORIES = _HERE / "categories.jsonl"
PRODUCTS = _HERE / "catalogue.jsonl"

#: 8 yuan for the first kilogram, free from 99 yuan on; dearer to the far west; some places are not served.
FREIGHT = {
    "name": "默认运费（满99元包邮）",
    "by": "weight",
    "rules": [
        {"first": 1000, "first_fen": 800, "further": 1000, "further_fen": 300, "free_from_fen": 9900},
        {
            "regions": ["540000", "630000", "650000"],
            "first": 1000,
            "first_fen": 1800,
            "further": 1000,
            "further_fen": 1200,
            "free_from_fen": 29900,
        },
    ],
    "unserved": ["710000", "810000", "820000"],
}


def main() -> int:
    """Fill the mall at the given address; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m local.demo.furnish", description="A small demonstration mall.")
    parser.add_argument("--api", required=True)
    try:
        return int(fill(parser.parse_args().api))
    except (Unexpected, requests.RequestException) as fault:
        print(f"demo: {fault}", file=sys.stderr)
        return 1


def fill(api: str) -> bool:
    """Bring in what is missing; whether any line failed. Raises Unexpected when the mall refuses something."""
    operators.bootstrap(NAME, PASSWORD)
    operator = Person(api)
    operator.log_in(NAME, PASSWORD)
    _freight(operator)
    if operator.call("GET", "/v1/admin/products?limit=1")["items"]:
        print("the mall has products already; its catalogue is left as it is")
        return False
    failed = _import(operator, "/v1/admin/categories/import", CATEGORIES)
    return _import(operator, "/v1/admin/catalogue/import", PRODUCTS) or failed


def _freight(operator: Person) -> None:
    templates = operator.call("GET", "/v1/admin/freight-templates")["items"]
    if "default" not in {template["template_id"] for template in templates}:
        operator.call("PUT", "/v1/admin/freight-templates/default", FREIGHT)


def _import(operator: Person, path: str, file: Path) -> bool:
    """Send the file and print what is wrong with its lines; whether any failed."""
    lines = operator.upload(f"{path}?format=jsonl", file)["lines"]
    for line in lines:
        for note in [*line.get("errors", []), *line.get("warnings", [])]:
            print(f"{file.name}:{line['line']}: {line['outcome']}: {note['field']}: {note['message']}")
    return any(line["outcome"] == "failed" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
