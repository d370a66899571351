"""Create the first owner of a deployed mall: `python -m infra.operator NAME`.

The environment holds the mall's settings, as for any of its processes.
"""

from __future__ import annotations

import argparse
import getpass
import sys

import msgspec

from chalicelib.mall.operators import service
from chalicelib.mall.operators.rules import Password


def main() -> int:
    """Ask for a password twice and create the owner. 0 when done, 1 when there is an operator, 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m infra.operator", description=__doc__)
    parser.add_argument("name", help="1 to 32 letters, digits, - or _")
    name = parser.parse_args().name
    try:
        password = msgspec.convert(getpass.getpass("Password (12 characters or more): "), Password)
        if getpass.getpass("Again: ") != password:
            raise ValueError("the two passwords differ")
        created = service.bootstrap(name, password)
    except ValueError as fault:  # msgspec's ValidationError is one
        print(fault, file=sys.stderr)
        return 2
    if not created:
        print("This mall has an operator already; owners appoint the others.", file=sys.stderr)
        return 1
    print(f"{name} is the owner of this mall.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
