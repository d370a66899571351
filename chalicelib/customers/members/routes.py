"""Members: log in, who am I, addresses."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET

from chalicelib.core import clock, ids
from chalicelib.customers.members import queries as member_queries
from chalicelib.customers.members import service
from chalicelib.customers.members.consents import service as consents
from chalicelib.customers.members.content import service as content
from chalicelib.customers.members.identities import service as identities
from chalicelib.customers.members.inputs import (
    AddressInput,
    ErasureInput,
    ExportQuery,
    LogoutInput,
    MemberLoginInput,
    PhoneInput,
    ProfileInput,
    VisitInput,
)
from chalicelib.customers.members.logins import service as logins
from chalicelib.customers.members.privacy import service as privacy
from chalicelib.customers.members.rules import Address, Visit
from chalicelib.customers.members.views import AddressList, MemberSession, MemberView, PersonalData, member_view
from chalicelib.platform.web.endpoint import MEMBER, PUBLIC, Call, endpoint


@endpoint(
    "POST /v1/auth/login",
    PUBLIC,
    errors=("wechat_code_invalid", "wechat_code_used", "wechat_user_blocked", "too_many_requests", "conflict"),
)
def login(body: MemberLoginInput) -> MemberSession:
    """Log in with a code of wx.login; a person who was never here joins."""
    result = logins.login(body.code, _visit(body.source))
    profile = result.profile
    if body.consent is not None:
        profile = consents.agree(profile, "privacy", body.consent.version)
    return MemberSession(result.token, result.expires_at, result.is_new, member_view(profile))


@endpoint("POST /v1/auth/logout", MEMBER, errors=("conflict",))
def logout(call: Call, body: LogoutInput | None) -> None:
    """Log out: the token that this call comes with is void, or with `everywhere` all that I was given up to now.

    It may take a second until every server of the mall knows.
    """
    assert call.token is not None
    service.log_out(call.caller, call.token, body is not None and body.everywhere)


@endpoint("GET /v1/me", MEMBER, admits=True)
def me(call: Call) -> MemberView:
    """Who I am."""
    return member_view(member_queries.profile(call.caller, call.token))


@endpoint("POST /v1/me/visits", MEMBER, errors=("conflict",), per_minute=60)
def visit(call: Call, body: VisitInput) -> MemberView:
    """Note that I am here, and where the visit comes from (a shared link, say), while I am logged in already."""
    return member_view(service.visited(call.caller, _visit(body)))


@endpoint("PATCH /v1/me", MEMBER, errors=("invalid", "conflict"))
def change_me(call: Call, body: ProfileInput) -> MemberView:
    """Change nickname, picture and birthday. Others see the first two as soon as WeChat has let them pass.

    An empty text takes one away, as null does the birthday.

    A picture is an https address of WeChat's, or the `url` of an upload for the purpose `avatar`.
    """
    return _changed(call.caller, body)


@endpoint("PUT /v1/me", MEMBER, errors=("invalid", "conflict"))
def put_me(call: Call, body: ProfileInput) -> MemberView:
    """Change nickname, picture and birthday, as PATCH does, which wx.request cannot send: what is left out stays."""
    return _changed(call.caller, body)


def _changed(member_id: str, body: ProfileInput) -> MemberView:
    given: dict[str, Any] = msgspec.structs.asdict(body)
    changes = {field: value for field, value in given.items() if value is not UNSET}
    return member_view(content.change_own(member_id, changes))


@endpoint(
    "POST /v1/me/phone",
    MEMBER,
    errors=("wechat_code_invalid", "wechat_code_used", "wechat_user_blocked", "too_many_requests", "conflict"),
)
def set_phone(call: Call, body: PhoneInput) -> MemberView:
    """Keep my phone number, which WeChat gives for this code."""
    version = "" if body.consent is None else body.consent.version
    return member_view(identities.set_phone(call.caller, call.subject, body.code, version))


@endpoint("GET /v1/me/export", MEMBER, errors=("cursor_invalid",), per_minute=30)
def export_me(call: Call, query: ExportQuery) -> PersonalData:
    """Everything that is kept of me, in parts where it is much."""
    return privacy.export(call.caller, query.cursor)


@endpoint(
    "DELETE /v1/me",
    MEMBER,
    errors=("account_open", "wechat_code_invalid", "wechat_code_used", "wechat_user_blocked", "conflict"),
    per_minute=10,
)
def erase_me(call: Call, body: ErasureInput) -> None:
    """Forget me: profile, addresses, cart, and the receiver of every order. `code` is a fresh one of wx.login.

    What was bought and paid is kept without me, as the law wants it. Not while an order or a withdrawal is under way or
    a commission is pending; and not while something is left in the balance, unless I give it up (`waive_balance`).
    """
    privacy.erase_by(call.caller, body.code, body.waive_balance)


@endpoint("GET /v1/me/addresses", MEMBER)
def list_addresses(call: Call) -> AddressList:
    """My addresses, oldest first. One of them is the default."""
    return AddressList(member_queries.addresses(call.caller).items)


@endpoint("POST /v1/me/addresses", MEMBER, status=201, errors=("address_limit", "conflict"))
def add_address(call: Call, body: AddressInput) -> Address:
    """Keep one more address. The first one is the default."""
    return service.add_address(call.caller, _address(ids.new("a"), body))


@endpoint("PUT /v1/me/addresses/{address_id}", MEMBER, errors=("conflict",))
def replace_address(call: Call, address_id: str, body: AddressInput) -> Address:
    """Change an address as a whole; without `is_default` it stays the default, or none."""
    return service.replace_address(call.caller, _address(address_id, body), body.is_default is UNSET)


@endpoint("DELETE /v1/me/addresses/{address_id}", MEMBER, errors=("conflict",))
def remove_address(call: Call, address_id: str) -> None:
    """Forget an address. If it was the default, the newest of the others takes over."""
    service.remove_address(call.caller, address_id)


def _visit(given: VisitInput | None) -> Visit:
    now = clock.now()
    return Visit(at=now) if given is None else given.visit(now)


def _address(address_id: str, body: AddressInput) -> Address:
    return Address(address_id=address_id, **msgspec.structs.asdict(body) | {"is_default": body.is_default is True})
