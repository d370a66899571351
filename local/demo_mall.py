"""A small demonstration mall in an empty one: the operator admin / admin, freight, categories, products.

    python -m local.demo_mall --api URL --sandbox URL --control URL

A mall that has products already is left as it is, so that what an operator changed stays when the mall is opened again.
The brand and its goods are made up.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import requests

from chalicelib.operators import service as operators
from local.import_catalogue import ImportFault, import_categories, import_products, operator, request, show

_HERE = Path(__file__).parent
CATEGORIES = _HERE / "demo_categories.jsonl"
PRODUCTS = _HERE / "demo_catalogue.jsonl"

NAME = "admin"
PASSWORD = "admin"  # noqa: S105 - of a mall on this machine, and its banner says so

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
    parser = argparse.ArgumentParser(prog="python -m local.demo_mall", description="A small demonstration mall.")
    parser.add_argument("--api", required=True)
    parser.add_argument("--sandbox", required=True)
    parser.add_argument("--control", required=True)
    arguments = parser.parse_args()
    try:
        return int(fill(arguments.api))
    except ImportFault as fault:
        print(f"demo: {fault}", file=sys.stderr)
        return 1


def fill(api: str) -> bool:
    """Bring in what is missing; whether anything failed. Raises ImportFault when the mall does not answer."""
    operators.bootstrap(NAME, PASSWORD)
    session = operator(api, NAME, PASSWORD)
    _freight(session, api)
    if request(session, "GET", f"{api}/v1/admin/products?limit=1").json()["items"]:
        print("the mall has products already; its catalogue is left as it is")
        return False
    failed = show(CATEGORIES, import_categories(session, api, CATEGORIES), every=False)
    return show(PRODUCTS, import_products(session, api, PRODUCTS), every=False) or failed


def _freight(session: requests.Session, api: str) -> None:
    url = f"{api}/v1/admin/freight-templates"
    there = {template["template_id"] for template in request(session, "GET", url).json()["items"]}
    if "default" not in there:
        request(session, "PUT", f"{url}/default", json=FREIGHT)


if __name__ == "__main__":
    sys.exit(main())
