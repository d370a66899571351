"""The first owner of a mall, and a way back in for an operator who has none left.

    python -m tools.operator create NAME     the first operator, an owner; refused where there is an operator already
    python -m tools.operator reset NAME      unlocked, with a new password; all logins end, the second factor is gone

The environment holds the mall's settings, as for any of its processes; the rights are those of whoever runs this. The
password is asked for twice and not shown. Both are written into the operators' log.
"""

from __future__ import annotations

import argparse
import getpass
import sys

import msgspec

from chalicelib.core import clock, ids
from chalicelib.core.errors import MallError
from chalicelib.mall.operators import service
from chalicelib.mall.operators.access.rules import password_fault
from chalicelib.mall.operators.audit import service as audit
from chalicelib.mall.operators.refusals import FIELDS
from chalicelib.mall.operators.rules import Password
from chalicelib.mall.operators.tables import AuditEntry


def main() -> int:
    """Do what is asked; 0 when done, 1 when the mall refuses it, 2 for bad input."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.operator", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=("create", "reset"))
    parser.add_argument("name", help="1 to 32 letters, digits, - or _")
    asked = parser.parse_args()
    try:
        return _create(asked.name) if asked.command == "create" else _reset(asked.name)
    except ValueError as fault:  # msgspec's ValidationError is one
        print(fault, file=sys.stderr)
        return 2
    except MallError as refusal:
        print(refusal.text("en", FIELDS), file=sys.stderr)
        return 1


def _create(name: str) -> int:
    if not service.bootstrap(name, _password(name)):
        print("This mall has an operator already; owners appoint the others.", file=sys.stderr)
        return 1
    _note(name, "create")
    print(f"{name} is the owner of this mall, and sets up a second factor at the first login.")
    return 0


def _reset(name: str) -> int:
    operator = service.reset(name, _password(name))
    _note(name, "reset")
    print(f"{name} can log in with the new password; logins so far and the second factor are void.")
    if operator.disabled:
        print(f"{name} is disabled, and stays so until an owner enables them.")
    return 0


def _password(name: str) -> str:
    password = msgspec.convert(getpass.getpass("Password (12 characters or more): "), Password)
    if fault := password_fault(password, name):
        raise ValueError(fault.at("password").text("en", FIELDS))
    if getpass.getpass("Again: ") != password:
        raise ValueError("the two passwords differ")
    return password


def _note(name: str, command: str) -> None:
    entry = AuditEntry(
        at=clock.now(),
        operator=name,
        permission=command,
        method="RUN",
        path=f"tools.operator {command}",
        request_id=ids.new("r"),
    )
    audit.record(entry, 200)


if __name__ == "__main__":
    raise SystemExit(main())
