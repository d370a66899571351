"""Who returns is known until the days are over; they are no new customer; and what stays of an order names nobody."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.commerce.coupons.issue.rules import claimed_as_friend
from chalicelib.commerce.coupons.rules import Audience, Template, Terms, Validity
from chalicelib.commerce.orders.erasure.rules import anonymous
from chalicelib.commerce.orders.rules import Event, Pieces, Shipment, noted
from chalicelib.core import ids, log
from chalicelib.customers.members.returning.rules import BLOCKED_BEFORE, Before, kept_block
from chalicelib.customers.members.rules import Block, LifeCycleRules, Profile, segment_of
from tests.support.orders import ask, grant, line, order

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
MEMBER = Profile(member_id="m1", openid="o", joined_at=NOW)
SHARED = Template(
    template_id="t1", name="五元券", state="published", terms=Terms(kind="amount_off", amount_fen=500), total=1000,
    limit_per_member=9, valid=Validity(days=7), how=["share"], audience=Audience(), shards=1, created_at=NOW,
)  # fmt: skip
KEYS = st.text(alphabet="abcdefghijklmnopqrstuvwxyz0123456789+/=", min_size=32, max_size=64)
SECONDS = st.integers(-400 * 86_400, 400 * 86_400)


@given(SECONDS)
def test_who_left_is_known_until_then_and_not_a_second_longer(seconds: int) -> None:
    before = Before(member_id="m1", until=NOW)
    assert before.known(NOW + timedelta(seconds=seconds)) == ("m1" if seconds < 0 else None)


@given(SECONDS)
def test_of_a_block_alone_nobody_is_known(seconds: int) -> None:
    assert Before(blocked=Block("x", NOW), by_older=True).known(NOW + timedelta(seconds=seconds)) is None


@given(st.text())
def test_of_a_block_stays_that_it_is_and_nothing_that_was_written(reason: str) -> None:
    assert kept_block(Block(reason, NOW)) == Block(BLOCKED_BEFORE, NOW)
    assert kept_block(None) is None


@given(st.integers(0, 9), st.integers(0, 400), st.booleans())
def test_who_has_returned_is_no_new_customer(completed: int, days: int, returned: bool) -> None:
    last = NOW if completed else None
    profile = msgspec.structs.replace(
        MEMBER, orders_completed=completed, last_completed_at=last, returned=returned,
        joined_at=NOW - timedelta(days=days),
    )  # fmt: skip
    assert Audience(new_customers=True).admits(profile, NOW, LifeCycleRules(), ()) == (not completed and not returned)
    assert (segment_of(profile, NOW, LifeCycleRules()) == "new") == (not completed and not returned and days <= 30)


@given(st.integers(0, 5), st.booleans())
def test_a_friend_who_has_returned_claims_what_they_have_got_none_of(received: int, returned: bool) -> None:
    profile = msgspec.structs.replace(MEMBER, returned=returned)
    refused = claimed_as_friend(SHARED, profile, received)
    assert (refused is not None) == (returned and received > 0)
    assert refused is None or refused.code == "claim_limit"


TEXT = st.text(min_size=1).filter(lambda text: text != "***")


@given(TEXT, TEXT, TEXT, TEXT)
def test_what_stays_of_an_order_is_what_was_bought_and_paid(remark: str, reason: str, note: str, number: str) -> None:
    placed = order(line("s1", 3, 3000))
    placed = msgspec.structs.replace(placed, remark=remark)
    asked = msgspec.structs.replace(ask(placed, "r1", ("s1", 1)), reason=reason)
    before = grant(placed, asked)
    parcel = Shipment(carrier="SF", tracking_no=number, lines=[Pieces("s1", 2)], at=NOW)
    before = noted(msgspec.structs.replace(before, shipments=[parcel]), "refund_rejected", "operator:x", NOW, note)
    after = anonymous(before)
    assert [one.reason for one in after.refunds] == ["***"]
    assert (after.remark, after.openid, after.shipments[0].tracking_no) == ("", "", "")
    place = after.address
    assert (place.name, place.phone, place.province, place.city, place.district, place.detail) == ("***", *[""] * 5)
    assert place.region_code == before.address.region_code
    assert [(one.what, one.at, one.by) for one in after.history] == [
        (one.what, one.at, one.by) for one in before.history
    ]
    kept = ("order_id", "member_id", "state", "lines", "payable_fen", "paid_fen", "refunded_fen", "paid_at", "coupons")
    assert [getattr(after, name) for name in kept] == [getattr(before, name) for name in kept]
    assert [one.amount_fen for one in after.refunds] == [one.amount_fen for one in before.refunds]
    assert anonymous(after) == after


@pytest.mark.parametrize(
    ("note", "kept"),
    [("1990 fen", True), ("SF SF1234", False), ("0 fen 13756168064", False), ("请退到张三", False), ("fen", False)],
)
def test_of_notes_only_amounts_stay(note: str, kept: bool) -> None:
    before = order(line("s1", 1, 100))
    before = msgspec.structs.replace(before, history=[Event(NOW, "refund_granted", "system", note)])
    assert anonymous(before).history[0].note == (note if kept else "")


@given(st.text(alphabet=' :|/"{}-_,.#', max_size=3), st.text(alphabet=' :|/"{}-_,.#', max_size=3))
def test_a_line_of_the_log_has_a_digest_where_a_members_id_was(before: str, after: str) -> None:
    member_id = ids.derived("m", "somebody")
    told = log.without_members(f"job:members.erase:{before}{member_id}{after}|{member_id}")
    assert member_id not in told
    assert told.count(f"member:{ids.digest(member_id.encode())[:12]}") == 2


@given(st.sampled_from("oclgswr"), st.text())
def test_other_ids_stand_in_the_log_as_they_are(prefix: str, cause: str) -> None:
    text = f"job:orders.complete:{ids.derived(prefix, cause)}"
    assert log.without_members(text) == text


@given(st.text(), st.text(), KEYS, KEYS)
def test_a_keyed_fingerprint_takes_the_key(one: str, other: str, key: str, another: str) -> None:
    assert (ids.keyed(key, one) == ids.keyed(key, other)) == (one == other)
    assert ids.keyed(key, one) != ids.digest(one.encode())
    if key != another:
        assert ids.keyed(key, one) != ids.keyed(another, one)
