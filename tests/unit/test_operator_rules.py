"""Roles, waits, and passwords."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.mall.operators.access import passwords
from chalicelib.mall.operators.rules import (
    OWNER,
    PERMISSIONS,
    ROLES,
    SELF,
    Operator,
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


def test_passwords() -> None:
    kept = passwords.hashed("correct horse 🐟")
    assert passwords.matches("correct horse 🐟", kept)
    assert not passwords.matches("correct horse", kept)
    assert kept != passwords.hashed("correct horse 🐟")
    assert "horse" not in kept


def test_nobody_s_hash_costs_the_same_and_fits_no_password() -> None:
    assert passwords.NOBODY.split("$")[:3] == passwords.hashed("x").split("$")[:3]
    assert not passwords.matches("", passwords.NOBODY)
