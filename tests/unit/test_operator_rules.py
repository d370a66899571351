"""Roles, waits, and what the audit log may keep of a request."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.mall.operators.access import passwords
from chalicelib.mall.operators.rules import (
    KEPT_BYTES,
    OWNER,
    PERMISSIONS,
    ROLES,
    SELF,
    Operator,
    kept_body,
    unknown_roles,
    wait_seconds,
)
from chalicelib.mall.operators.tables import AuditEntry

AT = datetime(2026, 11, 22, tzinfo=UTC)


def test_an_owner_may_do_everything_and_every_permission_is_somebody_s() -> None:
    assert ROLES[OWNER] == PERMISSIONS
    assert all(allowed <= PERMISSIONS for allowed in ROLES.values())


def test_no_other_role_appoints_operators() -> None:
    assert [role for role, allowed in ROLES.items() if "operators.write" in allowed] == [OWNER]


def test_an_auditor_only_reads() -> None:
    assert all(permission.endswith(".read") for permission in ROLES["auditor"])
    assert "audit.read" in ROLES["auditor"]


def test_roles_add_up_and_unknown_ones_allow_nothing() -> None:
    both = Operator(name="a", roles=["service", "merchandiser", "gone"], created_at=AT, tokens_from=AT)
    assert both.permissions == {SELF} | ROLES["service"] | ROLES["merchandiser"]
    assert Operator(name="a", roles=["gone"], created_at=AT, tokens_from=AT).permissions == {SELF}


@pytest.mark.parametrize(
    ("roles", "has_totp", "needs"),
    [
        (["owner"], False, True),
        (["auditor", "finance"], False, True),
        (["owner"], True, False),
        (["merchandiser", "fulfilment", "service", "auditor"], False, False),
        ([], False, False),
    ],
)
def test_who_appoints_and_who_pays_out_needs_a_second_factor(roles: list[str], has_totp: bool, needs: bool) -> None:
    operator = Operator(name="a", roles=roles, has_totp=has_totp, created_at=AT, tokens_from=AT)
    assert operator.needs_totp is needs


def test_what_an_older_version_wrote_is_read() -> None:
    """It knew no second factor, and no address."""
    stamp = "2026-11-22T00:00:00Z"
    operator = {"name": "a", "roles": ["owner"], "disabled": False, "created_at": stamp, "tokens_from": stamp}
    assert msgspec.convert(operator, Operator) == Operator(name="a", roles=["owner"], created_at=AT, tokens_from=AT)
    entry = {"at": stamp, "operator": "a", "permission": "p", "method": "GET", "path": "/", "request_id": "r"}
    assert msgspec.convert(entry, AuditEntry).address == ""


def test_which_tokens_an_operator_honours() -> None:
    operator = Operator(name="a", roles=["owner"], created_at=AT, tokens_from=AT)
    assert operator.honours(AT)
    assert not operator.honours(AT - timedelta(milliseconds=1))
    assert not msgspec.structs.replace(operator, disabled=True).honours(AT)


@pytest.mark.parametrize(
    ("roles", "disabled", "relied_on"),
    [
        (["owner"], False, True),
        (["auditor", "owner"], False, True),
        (["owner"], True, False),
        (["auditor"], False, False),
        ([], False, False),
        ([], True, False),
    ],
)
def test_the_mall_relies_on_an_owner_who_is_not_disabled(roles: list[str], disabled: bool, relied_on: bool) -> None:
    operator = Operator(name="a", roles=roles, disabled=disabled, created_at=AT, tokens_from=AT)
    assert operator.is_active_owner is relied_on


@given(st.lists(st.sampled_from([*ROLES, "gone", "Owner", ""])))
def test_roles_that_do_not_exist_are_listed(roles: list[str]) -> None:
    assert unknown_roles(roles) == [role for role in roles if role in ("gone", "Owner", "")]


def test_the_wait_begins_with_the_fifth_failure_and_doubles_to_an_hour() -> None:
    assert [wait_seconds(failures) for failures in range(14)] == [
        0, 0, 0, 0, 0, 30, 60, 120, 240, 480, 960, 1920, 3600, 3600,
    ]  # fmt: skip
    assert wait_seconds(10**9) == 3600


def test_secrets_are_not_kept_however_deep_they_are() -> None:
    body = {"name": "a", "password": "p1", "list": [{"new_Password": "p2", "ok": 1}], "address": {"Phone": "138"}}
    kept = kept_body(json.dumps(body).encode(), is_json=True)
    assert json.loads(kept) == {"name": "a", "list": [{"ok": 1}], "address": {}}


@pytest.mark.parametrize("name", ["password", "old_password", "phone", "PHONE_NUMBER", "app_Secret", "token", "tokens"])
def test_a_field_that_is_named_after_a_secret_is_not_kept(name: str) -> None:
    body: dict[str, Any] = {name: "x", "parts": [{"name": "x", name: ["x"]}, [{name: {}}], "password", None, 1.5]}
    kept: dict[str, Any] = {"parts": [{"name": "x"}, [{}], "password", None, 1.5]}
    assert kept_body(json.dumps(body).encode(), is_json=True) == json.dumps(kept, separators=(",", ":"))
    assert kept_body(b'"password"', is_json=True) == '"password"'


@pytest.mark.parametrize(("letters", "kept"), [(KEPT_BYTES - 3, -1), (KEPT_BYTES - 2, 0), (KEPT_BYTES - 1, 0)])
def test_a_body_is_kept_whole_up_to_its_bound(letters: int, kept: int) -> None:
    body = json.dumps("a" * letters).encode()
    assert kept_body(body, is_json=True) == body[:KEPT_BYTES].decode()
    assert len(kept_body(body, is_json=True)) == KEPT_BYTES + kept


def test_a_long_body_is_cut_between_characters() -> None:
    kept = kept_body(json.dumps({"text": "鱼" * 3000}, ensure_ascii=False).encode(), is_json=True)
    assert KEPT_BYTES - 4 < len(kept.encode()) <= KEPT_BYTES
    assert kept.startswith('{"text":"鱼')


@pytest.mark.parametrize("body", [b"\xff\xfe", b"{", b"[" * 5000, b"1e999", b'"\\ud800"'])
def test_of_what_is_not_json_only_the_size_is_kept(body: bytes) -> None:
    assert kept_body(body, is_json=True) == f"{len(body)} bytes"
    assert kept_body(b"a,b\n", is_json=False) == "4 bytes"
    assert kept_body(b"", is_json=True) == ""


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(st.binary(max_size=64) | JSON.map(lambda value: json.dumps(value).encode()))
def test_whatever_comes_is_kept_within_bounds(body: bytes) -> None:
    assert len(kept_body(body, is_json=True).encode()) <= KEPT_BYTES


def test_passwords() -> None:
    kept = passwords.hashed("correct horse 🐟")
    assert passwords.matches("correct horse 🐟", kept)
    assert not passwords.matches("correct horse", kept)
    assert kept != passwords.hashed("correct horse 🐟")
    assert "horse" not in kept


def test_nobody_s_hash_costs_the_same_and_fits_no_password() -> None:
    assert passwords.NOBODY.split("$")[:3] == passwords.hashed("x").split("$")[:3]
    assert not passwords.matches("", passwords.NOBODY)
