"""Members are told of their orders, refunds, lobbies and coupons, each once for its cause; where no template is set,
nothing is owed for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from chalicelib.commerce.coupons.issue.service import give
from chalicelib.commerce.coupons.rules import How
from chalicelib.commerce.orders.queries import load
from chalicelib.commerce.orders.refunds import service as refunds
from chalicelib.growth.groupbuy.lobbies import queries as lobbies
from chalicelib.growth.messaging.jobs import TELL_OF_ORDER
from chalicelib.growth.messaging.notices.rules import KINDS, VARS, Kind
from chalicelib.growth.messaging.notices.settings import NOTICES, NoticeRules
from chalicelib.platform.jobs.queue import schedule, shards
from chalicelib.platform.jobs.tables import table_of
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import Transaction
from local.client import Operator, Sandbox, Shopper
from local.clock import LocalClock
from tests.support.coupons import template
from tests.support.distribution import pay, run_jobs
from tests.support.queued_messages import message_template, messages_to

SETTINGS = "/v1/admin/settings/notices"
Set = Callable[..., dict[Kind, str]]


@pytest.fixture
def told_of(operator: Operator) -> Iterator[Set]:
    """Sets the templates of these kinds, with all the variables that they may have; none after the test."""

    def put(*kinds: Kind) -> dict[Kind, str]:
        made = {kind: notice(kind) for kind in kinds}
        operator.put(SETTINGS, made).ok()
        return made

    yield put
    NOTICES.change(NoticeRules())


def notice(kind: Kind) -> str:
    names = VARS[kind]
    text = " ".join(f"{{{name}}}" for name in names)
    return message_template(text, names, purpose="transactional").template_id


def owed() -> list[str]:
    """The jobs that wait for notices to be made."""
    jobs = (job for shard in shards() for job in read.query_all(table_of(shard), shard, consistent=True))
    return [job.task.key for job in jobs if job.task.kind.startswith("messaging.tell_of")]


def values(member_id: str, kind: Kind) -> list[dict[str, str]]:
    return [one.values for one in messages_to(member_id) if one.source == f"notice:{kind}"]


def ordered(operator: Operator, shopper: Shopper, pieces: int = 2) -> str:
    sku = operator.product(stock=9, price_fen=1234, name="白茶")["skus"][0]["sku_id"]
    order_id: str = shopper.place([(sku, pieces)])["order_id"]
    pay(shopper, order_id)
    return order_id


def test_the_settings_name_every_kind_of_notice_and_no_other() -> None:
    assert set(NoticeRules.__struct_fields__) == set(KINDS) == set(VARS)
    assert set(msgspec.structs.asdict(NoticeRules()).values()) == {""}


def test_what_cannot_be_a_notice_is_refused(operator: Operator) -> None:
    selling, strange = message_template(), message_template("{who}", ("who",), purpose="transactional")
    asked = {"order_shipped": selling.template_id, "refund_failed": strange.template_id, "coupon_got": "mt-none"}
    problem = operator.put(SETTINGS, asked).refused(422, "invalid")
    assert {one["field"]: one["code"] for one in problem["errors"]} == {
        "order_shipped": "notices_are_transactional", "refund_failed": "notice_has_no_such_var",
        "coupon_got": "no_such_message_template",
    }  # fmt: skip
    assert operator.get(SETTINGS).ok()["order_shipped"] == ""


def test_a_mall_that_tells_nothing_pays_nothing_for_it(
    operator: Operator, shopper: Shopper, told_of: Set, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    commit = Transaction.commit
    monkeypatch.setattr(Transaction, "commit", lambda tx: (sizes.append(len(tx)), commit(tx))[1])

    def shipping() -> int:
        order_id = ordered(operator, shopper)
        run_jobs()
        del sizes[:]
        operator.ship(order_id)
        return sizes[0]

    alone = shipping()
    assert owed() == []
    told_of("order_shipped")
    assert shipping() == alone + 1
    assert len(owed()) == 1


def test_a_parcel_is_told_of_once_with_what_is_in_it(operator: Operator, shopper: Shopper, told_of: Set) -> None:
    template_id = told_of("order_shipped")["order_shipped"]
    order_id = ordered(operator, shopper)
    ship = f"/v1/admin/orders/{order_id}/ship"
    sku = load(order_id).lines[0].sku_id
    part = {"carrier": "SF", "tracking_no": "SF1", "lines": [{"sku_id": sku, "quantity": 1}]}
    operator.post(ship, part).ok()
    run_jobs()
    operator.post(ship, {"carrier": "SF", "tracking_no": "SF2"}).ok()
    for _ in range(2):  # its job is run once more, as after a fault
        tx, lines = Transaction(), len(load(order_id).history)
        schedule(tx, TELL_OF_ORDER, f"{order_id}|2|{lines}", None, templates=",".join([template_id] * (lines - 2)))
        tx.commit()
        run_jobs()
    common = {"order_id": order_id, "product": "白茶", "amount": "24.68", "pieces": "1", "carrier": "顺丰速运"}
    assert values(shopper.member_id, "order_shipped") == [
        common | {"tracking_no": "SF1"}, common | {"tracking_no": "SF2"},
    ]  # fmt: skip
    (first, _) = messages_to(shopper.member_id)
    assert (first.purpose, first.template_id, first.run) == ("transactional", template_id, "")
    assert first.expires_at - first.queued_at <= timedelta(hours=24)


def test_who_owes_a_notice_names_its_template(operator: Operator, shopper: Shopper, told_of: Set) -> None:
    """Whoever makes it may not know the settings yet."""
    named = told_of("order_shipped")["order_shipped"]
    order_id = ordered(operator, shopper)
    operator.post(f"/v1/admin/orders/{order_id}/ship", {"carrier": "SF", "tracking_no": "SF1"}).ok()
    told_of()
    run_jobs()
    (message,) = messages_to(shopper.member_id)
    assert message.template_id == named


def test_refunds_are_told_of_as_they_end(
    operator: Operator, shopper: Shopper, told_of: Set, mall_clock: LocalClock
) -> None:
    told_of("refund_succeeded", "refund_rejected", "order_shipped")
    order_id = ordered(operator, shopper)
    operator.ship(order_id)
    sku = load(order_id).lines[0].sku_id
    asked = shopper.refund(order_id, [(sku, 1)])["refund_id"]
    refunds.reject(order_id, asked, "已经用过了", "operator:x")
    refunds.refund_by_operator(order_id, "k", None, "why", False, "x")
    for _ in range(4):
        run_jobs()
        mall_clock.advance(601)
    assert load(order_id).state == "closed"
    about = {"order_id": order_id, "product": "白茶"}
    assert values(shopper.member_id, "refund_rejected") == [about | {"amount": "12.34", "reason": "已经用过了"}]
    assert values(shopper.member_id, "refund_succeeded") == [about | {"amount": "24.68"}]
    assert len(values(shopper.member_id, "order_shipped")) == 1


def seated(operator: Operator, sandbox: str, size: int, people: int) -> tuple[list[Shopper], list[str], str]:
    """So many who have paid for one lobby of that size, and their orders."""
    activity = operator.group_activity({size: 5000}, product=operator.product(stock=50, name="红茶"))
    sku, orders = str(activity["prices"][0]["sku_id"]), list[str]()
    members = [Shopper.arrive(operator.send, Sandbox(sandbox)) for _ in range(people)]
    lobby_id = ""
    for who in members:
        group: dict[str, Any] = {"lobby_id": lobby_id} if lobby_id else {"activity_id": activity["activity_id"]}
        placed = who.take_seat(sku, **group).ok(201)
        lobby_id = placed["group"]["lobby_id"]
        orders.append(placed["order_id"])
        pay(who, orders[-1])
    return members, orders, lobby_id


def test_those_of_a_lobby_hear_how_it_ended(
    operator: Operator, sandbox: str, told_of: Set, mall_clock: LocalClock
) -> None:
    told_of("group_succeeded", "group_failed")
    full, orders, _ = seated(operator, sandbox, 2, 2)
    run_jobs()
    for who, order_id in zip(full, orders, strict=True):
        told = {"order_id": order_id, "product": "红茶", "amount": "50.00", "people": "2"}
        assert values(who.member_id, "group_succeeded") == [told]
    alone, (order_id,), _ = seated(operator, sandbox, 3, 1)
    mall_clock.advance(1801)
    run_jobs()
    told = {"order_id": order_id, "product": "红茶", "amount": "50.00", "people": "3"}
    assert values(alone[0].member_id, "group_failed") == [told]
    assert values(alone[0].member_id, "group_succeeded") == []


def test_who_gives_a_seat_up_hears_of_no_failure(operator: Operator, sandbox: str, told_of: Set) -> None:
    told_of("group_failed")
    alone, (order_id,), _ = seated(operator, sandbox, 3, 1)
    alone[0].refund(order_id)
    run_jobs()
    assert load(order_id).state == "closed"
    assert values(alone[0].member_id, "group_failed") == []


def test_those_of_a_lobby_hear_once_that_it_lacks_one_if_it_does_so_for_a_while(
    operator: Operator, sandbox: str, told_of: Set, mall_clock: LocalClock
) -> None:
    told_of("group_lacks_one")
    soon_full, _, lobby_id = seated(operator, sandbox, 3, 2)
    last = Shopper.arrive(operator.send, Sandbox(sandbox))
    lacking, _, other = seated(operator, sandbox, 3, 2)
    pay(last, last.take_seat(sku_of(lobby_id), lobby_id=lobby_id).ok(201)["order_id"])
    assert values(lacking[0].member_id, "group_lacks_one") == []
    for _ in range(2):
        mall_clock.advance(301)
        run_jobs()
    for who in lacking:
        (told,) = values(who.member_id, "group_lacks_one")
        assert (told["lobby_id"], told["product"], told["people"]) == (other, "红茶", "3")
    assert [values(who.member_id, "group_lacks_one") for who in (*soon_full, last)] == [[], [], []]


def sku_of(lobby_id: str) -> str:
    return lobbies.load(lobby_id).terms.prices[0].sku_id


def test_a_coupon_is_told_of_where_its_member_did_not_take_it_themselves(
    operator: Operator, shopper: Shopper, told_of: Set
) -> None:
    told_of("coupon_got")
    made = template(name="回购券", limit_per_member=9, how=["claim", "grant", "purchase"])
    ways: tuple[How, ...] = ("claim", "grant", "purchase")
    for how in ways:
        give(made, shopper.member_id, how, ("cause", how))
    run_jobs()
    (told,) = values(shopper.member_id, "coupon_got")
    assert told["coupon"] == "回购券"
