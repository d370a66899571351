"""What each function may do with which table and with uploaded files, and which secrets it may read: permissions.json,
and no more than needed.

    python -m infra.permissions FOLDER

writes the declaration anew, from the calls that local/calls.py wrote into the folder while every test was run. Every
full run of the tests compares the two (tests/support/permissions.py).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from chalicelib.platform.jobs.declarations import INSIDE, MANY, OUTSIDE, SENDS
from infra import uploads

Json = dict[str, Any]

DECLARATION = Path(__file__).with_name("permissions.json")

#: What a transaction's parts are called when permission is asked for.
_PARTS = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}
#: To read items by their keys is one right, of one item or of many: whoever needs either has both. So a change of how a
#: test reads is none of what a function may do, and a role has fewer kinds of statements; IAM bounds its length.
_BY_KEY = {"GetItem", "BatchGetItem"}
#: The functions that answer requests.
_CALLED = ("api", "operators")
#: Of each lane: the function that its schedule wakes, and the one that its stream wakes.
_WORKERS = {
    INSIDE: ("run-due-jobs", "run-owed-jobs"),
    OUTSIDE: ("run-due-calls", "run-owed-calls"),
    MANY: ("run-due-many", "run-owed-many"),
    SENDS: ("run-due-sends", "run-owed-sends"),
}


class Grant(msgspec.Struct, frozen=True):
    """What one function may do: actions by table ("orders") or index ("orders/by_member"), secrets to read, and actions
    on uploaded files by where they lie ("private/")."""

    tables: dict[str, list[str]] = {}
    secrets: list[str] = []
    files: dict[str, list[str]] = {}


class Seen(msgspec.Struct, frozen=True, array_like=True):
    """One thing that was done while the mall ran: by one of _CALLED, "sweep" or "job", with which table, secret or
    file."""

    who: str
    action: str
    what: str
    #: Of a job.
    lane: str = ""


def declared() -> dict[str, Grant]:
    """The declaration: what each function is granted, by its name."""
    return msgspec.json.decode(DECLARATION.read_bytes(), type=dict[str, Grant])


def needed(seen: Iterable[Seen]) -> dict[str, Grant]:
    """What each function needs in order to do what was seen.

    A schedule and a stream handler run every kind of job of their lane: even one that is never owed at once is when an
    operator revives it. Only a schedule looks for them, in the table of its lane.
    """
    seen = list(seen)
    done: dict[str, list[Seen]] = {name: [one for one in seen if one.who == name] for name in _CALLED}
    for lane, (due, owed) in _WORKERS.items():
        done[owed] = [one for one in seen if one.who == "job" and one.lane == lane.name]
        done[due] = done[owed] + [one for one in seen if one.who == "sweep" and one.what == lane.table]
    return {function: _grant(calls) for function, calls in done.items()}


def _grant(calls: Iterable[Seen]) -> Grant:
    tables: dict[str, set[str]] = {}
    files: dict[str, set[str]] = {}
    secrets = set()
    for one in calls:
        if one.action == "secret":
            secrets.add(one.what)
        else:
            (files if one.what.endswith("/") else tables).setdefault(one.what, set()).add(one.action)
    on_tables = {name: actions | _BY_KEY if actions & _BY_KEY else actions for name, actions in tables.items()}
    return Grant(_ordered(on_tables), sorted(secrets), _ordered(files))


def _ordered(granted: Mapping[str, set[str]]) -> dict[str, list[str]]:
    return {name: sorted(actions) for name, actions in sorted(granted.items())}


def actions(operation: str, arguments: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The permissions that a call of DynamoDB asks for: (action, table), (action, table/index) for an index."""
    if operation == "TransactWriteItems":
        parts = [(kind, told["TableName"]) for item in arguments["TransactItems"] for kind, told in item.items()]
        return [(_PARTS[kind], table) for kind, table in parts]
    if "TableArn" in arguments:
        return []  # an export: allowed where there is a bucket for it (infra/functions.py)
    if "RequestItems" in arguments:
        return [(operation, table) for table in arguments["RequestItems"]]
    index = arguments.get("IndexName")
    return [(operation, arguments["TableName"] + (f"/{index}" if index else ""))]


def differences(granted: Mapping[str, Grant], asked: Mapping[str, Grant]) -> list[str]:
    """Every permission that is missing or spare, as text."""
    found = []
    for function in sorted(granted.keys() | asked.keys()):
        has, wants = _lines(granted.get(function, Grant())), _lines(asked.get(function, Grant()))
        found += [f"{function}: {line} is missing" for line in sorted(wants - has)]
        found += [f"{function}: {line} is spare" for line in sorted(has - wants)]
    return found


def _lines(grant: Grant) -> set[str]:
    on_tables = {f"{action} on {table}" for table, actions in grant.tables.items() for action in actions}
    on_files = {f"{action} on {where}" for where, actions in grant.files.items() for action in actions}
    return on_tables | on_files | {f"secret {name}" for name in grant.secrets}


def statements_on_tables(grant: Grant) -> list[Json]:
    """What the grant says of tables, as statements of a policy."""
    by_actions: dict[tuple[str, ...], list[Json]] = {}
    for name, allowed in _together(grant.tables).items():
        by_actions.setdefault(tuple(allowed), []).append(table_arn(name))
    return [
        allow([f"dynamodb:{action}" for action in allowed], resources)
        for allowed, resources in sorted(by_actions.items())
    ]


def statements_on_files_and_secrets(grant: Grant, secrets: Mapping[str, str]) -> list[Json]:
    """What the grant says of all else, as statements of a policy. `secrets` says where each is kept:
    secretsmanager:NAME or ssm:NAME."""
    found = [
        allow([f"s3:{action}" for action in allowed], uploads.arn(where)) for where, allowed in grant.files.items()
    ]
    if any("GetObject" in allowed for allowed in grant.files.values()):
        # Else S3 says of a file that is not there that it is forbidden.
        found.append(allow(["s3:ListBucket"], uploads.arn()))
    kept: dict[str, list[Json]] = {}
    for name in grant.secrets:
        action, arn = _secret(secrets[name])
        kept.setdefault(action, []).append(arn)
    return found + [allow([action], arns) for action, arns in kept.items()]


def _together(granted: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """The same rights, those on all indexes of a table as one: a policy has room for so many characters."""
    from infra.tables import indexes_of_tables

    found = dict(granted)
    for table, names in indexes_of_tables().items():
        each = [granted.get(f"{table}/{name}") for name in names]
        if len(names) > 1 and each[0] and all(allowed == each[0] for allowed in each):
            for name in names:
                del found[f"{table}/{name}"]
            found[f"{table}/*"] = each[0]
    return found


def allow(actions: list[str], resource: Any) -> Json:
    """Write a statement that allows these actions on it."""
    return {"Effect": "Allow", "Action": actions, "Resource": resource}


def _secret(kept: str) -> tuple[str, Json]:
    """The action that reads a secret, and the ARN of where it is kept."""
    store, _, where = kept.partition(":")
    if store == "ssm":
        action, what = "ssm:GetParameter", f"parameter/{where.removeprefix('/')}"
    else:
        # Secrets Manager ends a secret's ARN with six characters of its own.
        action, what = "secretsmanager:GetSecretValue", f"secret:{where}-??????"
    arn = f"arn:${{AWS::Partition}}:{store}:${{AWS::Region}}:${{AWS::AccountId}}:{what}"
    return action, {"Fn::Sub": arn}


def table_arn(name: str) -> Json:
    """The ARN of a table, or of an index of it ("orders/by_member"), written as shortly as can be: a template has
    hundreds."""
    table, _, index = name.partition("/")
    arn = f"${{{logical_id(table)}.Arn}}"
    return {"Fn::Sub": f"{arn}/index/{index}" if index else arn}


def logical_id(table: str) -> str:
    """What the template calls a table: OrdersTable, CouponCodesTable."""
    return "".join(word.title() for word in table.split("_")) + "Table"


def read(folder: Path) -> list[Seen]:
    """What the processes wrote into the folder (local/calls.py)."""
    lines = [line for file in sorted(folder.glob("*.jsonl")) for line in file.read_bytes().splitlines()]
    return [msgspec.json.decode(line, type=Seen) for line in lines]


def main() -> int:
    """Write, and say what was missing or spare. 1 when there is nothing to write from."""
    parser = argparse.ArgumentParser(prog="python -m infra.permissions", description=__doc__)
    parser.add_argument("folder", type=Path)
    seen = read(parser.parse_args().folder)
    if not seen:
        print("nothing was seen: all tests must have been run, and passed")
        return 1
    asked = needed(seen)
    for found in differences(declared(), asked):
        print(found)
    DECLARATION.write_bytes(msgspec.json.format(msgspec.json.encode(asked), indent=2) + b"\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
