"""Operators find members: by id, by nickname, by the end of a phone, by an identity. What leads to a member goes as the
member takes it back, and nothing of it stays."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from bench.units.recorder import Recorder
from chalicelib.core import clock
from chalicelib.core.settings import settings
from chalicelib.customers.members import queries as members
from chalicelib.customers.members.finding import queries as finding
from chalicelib.customers.members.merging import service as merging
from chalicelib.customers.members.tables import Members
from chalicelib.insight.portraits import queries as portraits
from chalicelib.mall.operators.audit import queries as audit
from chalicelib.platform.store import tools
from local.client import Operator, Sandbox, Shopper
from local.notices import message
from tests.support.distribution import bare_member, quick_member
from tests.support.operators import appointed


@pytest.fixture
def operator(operator: Operator) -> Operator:
    """Somebody at the counter, who has looked for nobody yet."""
    return Operator(operator.send, appointed(operator, "service").token)


@pytest.fixture
def found(operator: Operator) -> Callable[..., list[str]]:
    """The ids of those who are found so, over all pages."""

    def find(**by: Any) -> list[str]:
        from urllib.parse import urlencode

        return [one["member_id"] for one in operator.items(f"/v1/admin/members?{urlencode(by)}")]

    return find


def calls_themselves(shopper: Shopper, nickname: str) -> None:
    shopper.call("PATCH", "/v1/me", {"nickname": nickname}).ok()


def new_phone() -> str:
    return f"139{secrets.randbelow(10**8):08}"


def gives(shopper: Shopper, phone: str) -> None:
    code = shopper.sandbox.post("phone", {"user": shopper.user, "phone": phone})["code"]
    shopper.post("/v1/me/phone", {"code": code}).ok()


def stands_nowhere(phone: str, member_id: str) -> bool:
    """Whether the phone is in no table, and how it ends on nothing of the member's."""
    everything = [item for table in tools.tables() for item in tools.scan_raw(table)]
    theirs = [item for item in tools.scan_raw(Members) if item["member_id"]["S"] == member_id]
    return phone not in msgspec.json.encode(everything, enc_hook=str).decode() and not any(
        "phone_end" in item for item in theirs
    )


@pytest.mark.parametrize(
    ("nickname", "asked"),
    [
        ("Alice 王", ["alice", "ＡＬＩＣＥ　王", " aLiCe   王", "A"]),
        ("ｃａｆｅ́ 店主", ["CAFÉ", "café 店"]),
        ("钓鱼的老王", ["钓", "钓鱼的", "钓鱼的老王"]),
        ("ﾊﾝﾅさん", ["ハンナ"]),
        ("👩‍👩‍👧 一家", ["👩‍👩‍👧"]),
        ("2024届小李", ["2024届"]),
    ],
)
def test_by_how_a_nickname_begins_in_any_case_and_width(
    shopper: Shopper, found: Callable[..., list[str]], nickname: str, asked: list[str]
) -> None:
    calls_themselves(shopper, nickname)
    for words in asked:
        assert shopper.member_id in found(q=words)
    assert shopper.member_id not in found(q=f"x{nickname}")
    assert shopper.member_id not in found(q=f"{nickname}x")
    calls_themselves(shopper, "另一个")
    assert shopper.member_id not in found(q=asked[0])
    calls_themselves(shopper, "")
    assert shopper.member_id not in found(q="另一个")


def test_by_id_also_of_who_was_merged_into_another(
    no_jobs: None, operator: Operator, found: Callable[..., list[str]]
) -> None:
    member, former = bare_member(), bare_member()
    assert found(q=member) == [member]
    merge = merging.unite(member, former, "operator", by="operator:op")
    assert found(q=merge.former) == found(q=merge.survivor) == [merge.survivor]
    assert found(q="m" + "2" * 24) == []
    [card] = operator.get(f"/v1/admin/members?q={merge.survivor}").ok()["items"]
    assert card["joined_at"] and card["segment"] == "new" and card["orders_completed"] == 0


def test_by_identity(shopper: Shopper, found: Callable[..., list[str]]) -> None:
    openid = members.profile(shopper.member_id).openid
    assert found(identity=f"mini:{openid}") == [shopper.member_id]
    assert found(identity=f"mini:{settings().wechat_appid}:{openid}") == [shopper.member_id]
    assert found(identity=f"oa:{openid}") == []


def test_by_the_end_of_a_phone_as_long_as_it_is_theirs(
    operator: Operator, shopper: Shopper, found: Callable[..., list[str]]
) -> None:
    first, second, member = new_phone(), new_phone(), shopper.member_id
    gives(shopper, first)
    [card] = [one for one in operator.items(f"/v1/admin/members?q={first[-4:]}") if one["member_id"] == member]
    assert card["phone"] == f"***{first[-4:]}" and first not in str(card)
    assert member in found(phone_last4=first[-4:])
    gives(shopper, second)
    assert member in found(q=second[-4:])
    assert member not in found(q=first[-4:])
    shopper.delete("/v1/me/phone").ok(204)
    assert member not in found(q=second[-4:])
    assert stands_nowhere(second, member)


def revokes(shopper: Shopper) -> None:
    openid = members.profile(shopper.member_id).openid
    assert shopper.send(*message(openid, "user_authorization_revoke", 0, RevokeInfo="8")).status == 200


def closes_account(shopper: Shopper) -> None:
    openid = members.profile(shopper.member_id).openid
    assert shopper.send(*message(openid, "user_authorization_cancellation", 0)).status == 200


def leaves(shopper: Shopper) -> None:
    shopper.leave().ok(204)


@pytest.mark.parametrize("goes", [revokes, closes_account, leaves])
def test_what_leads_to_a_member_goes_with_it(
    no_jobs: None, shopper: Shopper, found: Callable[..., list[str]], goes: Callable[[Shopper], None]
) -> None:
    phone, name = new_phone(), f"走了{secrets.token_hex(4)}"
    gives(shopper, phone)
    calls_themselves(shopper, name)
    assert shopper.member_id in found(q=phone[-4:])
    goes(shopper)
    assert shopper.member_id not in found(q=phone[-4:])
    assert stands_nowhere(phone, shopper.member_id)
    if goes is not revokes:
        assert found(q=name) == []


def test_pages_go_on_and_are_empty_only_at_the_end(
    operator: Operator, found: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = secrets.token_hex(6)
    people = [quick_member(operator.send, Sandbox("")) for _ in range(5)]
    for number, one in enumerate(people):
        calls_themselves(one, f"{name}{number}")
    theirs = [one.member_id for one in people]
    assert found(q=name, limit=2) == theirs
    usual, others = finding.by_name, bare_member()
    gone = {theirs[0]: "mgone", theirs[1]: others, theirs[3]: others}

    def behind(form: str, limit: int, after: Any) -> tuple[list[str], Any]:
        """The index still shows who has left, and who is called otherwise by now."""
        ids, rest = usual(form, limit, after)
        return [gone.get(one, one) for one in ids], rest

    monkeypatch.setattr(portraits, "by_name", behind)
    page = operator.get(f"/v1/admin/members?q={name}&limit=1").ok()
    assert [one["member_id"] for one in page["items"]] == [theirs[2]]
    operator.get(f"/v1/admin/members?q={name}x&cursor={page['next_cursor']}").refused(400, "cursor_invalid")
    assert found(q=name, limit=1) == [theirs[2], theirs[4]]


def test_in_one_way_at_a_time(operator: Operator) -> None:
    for query in ("", "?q=", "?q=a&tag=b", "?segment=new&phone_last4=1234"):
        operator.get(f"/v1/admin/members{query}").refused(422, "invalid")
    for query in ("?q=%20", "?phone_last4=123", "?phone_last4=12345", "?identity=phone:139", "?identity=x"):
        operator.get(f"/v1/admin/members{query}").refused(400, "malformed")
    operator.get("/v1/admin/members?segment=none").refused(404, "not_found")
    operator.get("/v1/admin/members?tag=none").refused(404, "not_found")


def test_the_log_keeps_an_id_and_of_all_else_the_length(operator: Operator, later: Callable[[float], None]) -> None:
    member = bare_member()
    asked = {"q": ["alice", "8000", member], "phone_last4": ["8000"], "identity": ["mini:oAbc", "oAbc"]}
    for way, words in asked.items():
        for word in words:
            operator.get(f"/v1/admin/members?{way}={word}")
            later(1)
    entries, _ = audit.page(clock.day(clock.now()), None, 10, None)
    kept = [one.entry.parameters for one in reversed(entries)]
    assert kept == [
        {"q": "(5 characters)"}, {"q": "(4 characters)"}, {"q": member}, {"phone_last4": "***"},
        {"identity": "(9 characters)"}, {"identity": "(4 characters)"},
    ]  # fmt: skip
    assert [one.outcome for one in reversed(entries)][2] == '{"shown":1}'


def test_it_costs_where_it_changes_and_nothing_at_a_login(shopper: Shopper) -> None:
    recorder = Recorder()
    indexes = ("members.by_phone_end", "members.by_name")

    def units() -> dict[str, float]:
        spent: dict[str, float] = {}
        for trip in recorder.trips:
            for entry in (entry for touch in trip.touches for entry in touch.entries if entry.place in indexes):
                spent[entry.place] = spent.get(entry.place, 0.0) + entry.units
        return spent

    calls_themselves(shopper, "王")
    for phone, most in ((new_phone(), 1), (new_phone(), 2)):
        with recorder.recording():
            gives(shopper, phone)
        assert units() == {"members.by_phone_end": most}
    with recorder.recording():
        shopper.log_in()
        shopper.post("/v1/me/visits", {"channel": "poster"}).ok()
    assert units() == {}
    with recorder.recording():
        calls_themselves(shopper, "李")
    assert units() == {"members.by_name": 2}
