"""Erasure leaves nothing: a marker in every text that a person, or an operator about them, can write is in no table and
no line of the log once they have left.

Texts are found in the OpenAPI document, so that a new field is planted here, or listed with the reason why it is not.
"""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from chalicelib.core import clock, ids
from chalicelib.customers.members import queries as member_queries
from chalicelib.customers.members.tables import identity_id
from chalicelib.gateways.sms.reports import Reply
from chalicelib.growth.journeys.runs.queries import runs_of
from chalicelib.growth.messaging.allowances import service as allowances
from chalicelib.growth.messaging.allowances.rules import Said
from chalicelib.growth.messaging.contacts import service as contacts
from chalicelib.growth.messaging.contacts.queries import stored as contacts_of
from chalicelib.growth.messaging.hearing import service as hearing
from chalicelib.growth.messaging.tasks.rules import NewTask
from chalicelib.growth.messaging.tasks.service import open_task
from chalicelib.platform.store import tools
from chalicelib.platform.store.transaction import Transaction
from local.client import Client, Operator, Sandbox, Shopper
from local.clock import LocalClock
from tests.support.distribution import completed, distributor, pay, run_jobs, set_rules
from tests.support.erased_texts import ABOUT_PERSONS, LIKE, LISTED
from tests.support.merging import merge_by_code
from tests.support.messages import asked, queue, template
from tests.support.returning import leave
from tests.support.withdrawals import PLENTY_FEN, end, withdraw
from tests.support.withdrawals import set_rules as set_withdrawal_rules

DAY = 86400


#: Operators' calls about members, what they ordered, and what they earned.
class Planting:
    """Sends bodies with a new marker in each text, and remembers where; `marks` must not be found any more."""

    def __init__(self) -> None:
        self.marks: list[str] = []
        self.planted: set[str] = set()

    def mark(self, pattern: str = "zq-{}") -> str:
        """A new marker."""
        made = pattern.format(secrets.token_hex(6))
        self.marks.append(made)
        return made

    def phone(self) -> str:
        """A phone number that nobody else has."""
        made = f"139{secrets.randbelow(10**8):08}"
        self.marks.append(made)
        return made

    def send(self, caller: Client, method: str, path: str, values: dict[str, Any], *texts: str, **at: str) -> Any:
        """Send these values, and markers as `texts` (a name, or name=pattern); `at` fills the path."""
        body: dict[str, Any] = dict(values)
        for text in texts:
            name, _, pattern = text.partition("=")
            self.planted.add(f"{method} {path} {name}")
            body_of = body
            *above, last = name.split(".")
            for part in above:
                body_of = body_of.setdefault(part, {})
            body_of[last] = self.phone() if last == "phone" else self.mark(pattern or "zq-{}")
        filled = path
        for name, value in at.items():
            filled = filled.replace(f"{{{name}}}", value)
        return caller.call(method, filled, body, key=secrets.token_hex(8))


@pytest.fixture
def planting() -> Planting:
    return Planting()


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """Every line that the mall writes to its log."""
    written: list[str] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.append(record.getMessage())

    handler = Keeping()
    logger = logging.getLogger("yutang")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield written
    logger.removeHandler(handler)
    logger.setLevel(level)


def texts(schema: Any, schemas: Any, path: str = "") -> Iterator[str]:
    """The paths of all texts in a body of this schema."""
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    for choice in schema.get("anyOf", []):
        yield from texts(choice, schemas, path)
    is_text = schema.get("type") == "string" and "enum" not in schema and "const" not in schema
    if is_text and schema.get("format") != "date-time":
        yield path
    if "items" in schema:
        yield from texts(schema["items"], schemas, f"{path}[]")
    for name, field in schema.get("properties", {}).items():
        yield from texts(field, schemas, f"{path}.{name}" if path else name)


def every_text(anybody: Client) -> set[str]:
    """Each text of a member's call, and of an operator's about persons, that is not listed."""
    document = anybody.get("/openapi.json").ok()
    schemas = document["components"]["schemas"]
    found: set[str] = set()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            callers = {name for one in operation.get("security", []) for name in one}
            if "member" not in callers and path != "/v1/auth/login" and not path.startswith(ABOUT_PERSONS):
                continue
            content = operation.get("requestBody", {}).get("content", {})
            for kind in content.values():
                found |= {
                    f"{method.upper()} {path} {name}" for name in texts(kind["schema"], schemas) if name not in LISTED
                }
    return found - LIKE.keys()


def earn(shopper: Shopper, fen: int) -> None:
    """An order that somebody placed has left the distributor this."""
    from chalicelib.ledger import rules as entries
    from chalicelib.ledger import service as ledger
    from chalicelib.platform.store.transaction import Transaction

    for entry in (entries.earned, entries.released):
        tx = Transaction()
        ledger.post(tx, entry("o-of-nobody" + shopper.member_id, 1, shopper.member_id, clock.now(), fen))
        tx.commit()


def arrive(operator: Operator, sandbox: Sandbox, planting: Planting) -> Shopper:
    """Somebody comes, and says who they are and where they live."""
    user = f"zq-user-{secrets.token_hex(6)}"
    shopper = Shopper(operator.send, sandbox, user)
    code = sandbox.post("login", {"user": user})["code"]
    way = ("channel", "inviter", "live_room", "staff", "share_key", "ad.click_id", "ad.platform", "page")
    source = [f"source.{part}" for part in (*way, "share_token")]
    login = planting.send(shopper, "POST", "/v1/auth/login", {"code": code}, *source, "consent.version").ok()
    shopper.token, shopper.member_id = login["token"], login["member"]["member_id"]
    planting.send(shopper, "POST", "/v1/me/visits", {}, *way).ok()
    planting.send(shopper, "PUT", "/v1/me/consents/ads", {}, "version").ok(204)
    now = clock.now().isoformat()
    batch: dict[str, Any] = {
        "batch_id": f"{secrets.token_hex(4)}-{secrets.token_hex(2)}-7abc-8abc-{secrets.token_hex(6)}", "sent_at": now,
        "events": [{"event_id": "e1", "name": "app_launch", "at": now, "props": {"scene": 1001, "path": "/"}}],
    }  # fmt: skip
    session = ("id", "platform", "app_version", "source.channel", "source.inviter", "source.live_room")
    told = (f"session.{name}" for name in session)
    planting.send(shopper, "POST", "/v1/me/events", batch, *told).ok(202)
    phone = planting.phone()
    code = sandbox.post("phone", {"user": user, "phone": phone})["code"]
    planting.send(shopper, "POST", "/v1/me/phone", {"code": code}, "consent.version").ok()
    place = {"region_code": "310104"}
    wheres = ("name", "phone", "province", "city", "district", "detail")
    shopper.address_id = planting.send(shopper, "POST", "/v1/me/addresses", place, *wheres).ok(201)["address_id"]
    replace = "/v1/me/addresses/{address_id}"
    planting.send(shopper, "PUT", replace, place, *wheres, address_id=shopper.address_id).ok()
    for method in profile_methods(shopper):
        planting.send(shopper, method, "/v1/me", {}, "nickname", "avatar_url=https://thirdwx.qlogo.cn/{}.png").ok()
    (profile,) = shopper.get("/v1/me/export").ok()["sections"]["profile"]
    assert profile["phone"] == phone
    planting.marks.append(profile["openid"])
    return shopper


def profile_methods(anybody: Client) -> list[str]:
    """By which methods a profile can be changed."""
    return [one.upper() for one in anybody.get("/openapi.json").ok()["paths"]["/v1/me"] if one in ("put", "patch")]


def shop(operator: Operator, shopper: Shopper, planting: Planting, mall_clock: LocalClock) -> list[str]:
    """What the shopper orders, and writes on it, and what operators do about it; the orders."""
    sku = operator.product()["skus"][0]["sku_id"]
    place = {"region_code": "310104"}
    wheres = ("name", "phone", "province", "city", "district", "detail")
    orders: list[str] = []
    for _ in range(4):
        body = shopper.order_body([(sku, 1)])
        orders.append(planting.send(shopper, "POST", "/v1/orders", body, "remark").ok(201)["order_id"])
        pay(shopper, orders[-1])
        mall_clock.advance(1)
    unsent, rejected, granted, by_mall = orders
    refunds, of_operator = "/v1/orders/{order_id}/refunds", "/v1/admin/orders/{order_id}/refunds"
    planting.send(shopper, "PUT", "/v1/orders/{order_id}/address", place, *wheres, order_id=rejected).ok()
    planting.send(operator, "PUT", "/v1/admin/orders/{order_id}/address", place, *wheres, order_id=rejected).ok()
    planting.send(shopper, "POST", refunds, {}, "reason", order_id=unsent).ok(202)
    ship, correct = "/v1/admin/orders/{order_id}/ship", "/v1/admin/orders/{order_id}/shipments/{n}"
    number = "tracking_no=SF{}"
    for order_id in (rejected, granted, by_mall):
        planting.send(operator, "POST", ship, {"carrier": "SF"}, number, order_id=order_id).ok()
        planting.send(operator, "PUT", correct, {"carrier": "SF"}, number, order_id=order_id, n="1").ok()
        shopper.post(f"/v1/orders/{order_id}/receive").ok()
    run_jobs()
    for order_id in (rejected, granted):
        asked = planting.send(shopper, "POST", refunds, {}, "reason", order_id=order_id).ok(202)["refund_id"]
        one = f"/v1/admin/orders/{order_id}/refunds/{asked}"
        if order_id == granted:
            operator.post(f"{one}/approve", {"restock": True}).ok()
        else:
            reject = "/v1/admin/orders/{order_id}/refunds/{refund_id}/reject"
            planting.send(operator, "POST", reject, {}, "reason", order_id=order_id, refund_id=asked).ok()
    planting.send(operator, "POST", of_operator, {"restock": True}, "reason", order_id=by_mall).ok(202)
    shopper.post("/v1/coupon-codes/redeem", {"code": planting.mark("{}")}).refused(404, "code_unknown")
    shopper.call("PUT", f"/v1/cart/lines/{sku}", {"quantity": 2}).ok()
    run_jobs()
    return orders


def sell(operator: Operator, shopper: Shopper, planting: Planting, mall_clock: LocalClock) -> None:
    """What the shopper shares as a distributor, and what operators decide about their money."""
    distributor(operator, shopper)
    link = ("page=pages/{}", "channel=zq.{}")
    planting.send(shopper, "POST", "/v1/distributor/links", {}, *link).ok()
    earn(shopper, 100_000)
    shopper.sandbox.post("balance", {"available_fen": PLENTY_FEN})
    reviewed, sent, paid = (withdraw(shopper, fen)["withdrawal_id"] for fen in (60_000, 10_000, 20_000))
    of = "/v1/admin/withdrawals/{withdrawal_id}/"
    planting.send(operator, "POST", f"{of}reject", {}, "reason", withdrawal_id=reviewed).ok()
    run_jobs()
    planting.send(operator, "POST", f"{of}cancel", {}, "reason", withdrawal_id=sent).ok()
    end(shopper.sandbox, paid, "confirm")
    for _ in range(3):
        run_jobs()
        mall_clock.advance(601)
    run_jobs()
    path = "/v1/admin/distributors/{member_id}/write-off"
    planting.send(operator, "POST", path, {}, "reason", member_id=shopper.member_id).ok()


def called(operator: Operator, shopper: Shopper, planting: Planting) -> None:
    """What staff are to say to the shopper, and write of what came of it."""
    done, cancelled = (ids.new("tk") for _ in range(2))
    for task_id in (done, cancelled):
        tx = Transaction()
        due_at = clock.now() + timedelta(hours=1)
        said = {"title": planting.mark(), "script": planting.mark(), "source": "journey:j1"}
        open_task(tx, NewTask(task_id=task_id, member_id=shopper.member_id, due_at=due_at, **said))
        tx.commit()
    one = "/v1/admin/tasks/{task_id}/"
    planting.send(operator, "POST", f"{one}done", {"outcome": "reached"}, "note", task_id=done).ok()
    planting.send(operator, "POST", f"{one}cancel", {}, "note", task_id=cancelled).ok()


def written_to(operator: Operator, shopper: Shopper, planting: Planting) -> None:
    """What the mall writes to the shopper, what they let through and write back, and a journey by what they did."""
    profile = member_queries.profile(shopper.member_id)
    now, path = clock.now(), planting.mark("pages/zq-{}")
    definition = {
        "name": "回访", "entry": {"event": "app_launch", "key": "path"}, "first": "rest",
        "steps": {"rest": {"wait": {"days": 30}}},
    }  # fmt: skip
    journey_id = operator.post("/v1/admin/journeys", definition).ok(201)["journey_id"]
    operator.post(f"/v1/admin/journeys/{journey_id}/publish").ok()
    batch_id = f"{secrets.token_hex(4)}-{secrets.token_hex(2)}-7abc-8abc-{secrets.token_hex(6)}"
    launch = {"event_id": "e1", "name": "app_launch", "at": now.isoformat(), "props": {"scene": 1001, "path": path}}
    shopper.post("/v1/me/events", {"batch_id": batch_id, "sent_at": now.isoformat(), "events": [launch]}).ok(202)
    allowances.heard(shopper.member_id, profile.openid, [Said("tpl-a", "accept", planting.mark())])
    contacts.wrote(shopper.member_id, "mini", profile.openid, "message", now, planting.mark())
    made = template(text="{product}", vars=["product"], purpose="transactional").template_id
    for later in (None, now + timedelta(days=30)):
        one = asked(made, shopper.member_id, values={"product": planting.mark()}, not_before=later)
        queue(msgspec.structs.replace(one, expires_at=now + timedelta(days=60)))
    run_jobs()
    assert profile.phone is not None
    for text in (planting.mark(), "R"):
        hearing.told([Reply(phone=profile.phone, text=text, at=now)])
    assert contacts_of(shopper.member_id).value.preferences.media.sms is False
    operator.post(f"/v1/admin/journeys/{journey_id}/end", {"runs": "finish"}).ok()
    (run,) = runs_of(shopper.member_id)
    assert (run.key, run.entered_with["path"]) == (path, path)


def same_person(operator: Operator, shopper: Shopper, planting: Planting, mall_clock: LocalClock) -> None:
    """What operators write as they hold the shopper and others for one person, or not, or no more."""
    asked = {"from": shopper.member_id, "force": True}
    first, second = (Shopper.arrive(shopper.send, shopper.sandbox) for _ in range(2))
    merges, decide = "/v1/admin/merges", "/v1/admin/merges/{merge_id}/decide"
    said = {"decision": "reject"}
    proposed = planting.send(operator, "POST", merges, asked | {"to": first.member_id}, "reason").ok(202)
    planting.send(operator, "POST", decide, said, "reason", merge_id=proposed["merge_id"]).ok()
    planting.send(operator, "POST", merges, asked | {"to": second.member_id}, "reason").ok(202)
    merge_by_code(shopper, second)
    mall_clock.advance(61)
    run_jobs()
    profile = member_queries.profile(shopper.member_id)
    theirs = {"identity": next(identity_id(one.key) for one in profile.identities if one.kind == "mini")}
    detach = "/v1/admin/members/{member_id}/detach"
    planting.send(operator, "POST", detach, theirs, "reason", member_id=shopper.member_id).ok(201)


def found_in(marks: list[str]) -> dict[str, list[str]]:
    """The tables where any of these stands, with what stands there."""
    found: dict[str, list[str]] = {}
    for table in tools.tables():
        for raw in tools.scan_raw(table):
            text = json.dumps(raw, ensure_ascii=False, default=str)
            for one in marks:
                if one in text:
                    at = text.index(one)
                    found.setdefault(table.__name__, []).append(text[max(0, at - 80) : at + 40])
    return found


def test_nothing_that_a_person_or_an_operator_about_them_wrote_is_left(
    operator: Operator, sandbox: str, planting: Planting, mall_clock: LocalClock, lines: list[str]
) -> None:
    set_rules(operator)
    set_withdrawal_rules(operator)
    try:
        shopper = arrive(operator, Sandbox(sandbox), planting)
        orders = shop(operator, shopper, planting, mall_clock)
        sell(operator, shopper, planting, mall_clock)
        completed(mall_clock)
        tag_id = operator.post("/v1/admin/tags", {"name": "茶友"}).ok(201)["tag_id"]
        tags = "/v1/admin/members/{member_id}/tags"
        planting.send(operator, "POST", tags, {"add": ["茶友"]}, "reason", member_id=shopper.member_id).ok()
        called(operator, shopper, planting)
        written_to(operator, shopper, planting)
        same_person(operator, shopper, planting, mall_clock)
        block = "/v1/admin/members/{member_id}/block"
        planting.send(operator, "POST", block, {}, "reason", member_id=shopper.member_id).ok()
        assert planting.planted == every_text(operator)
        assert {
            "Orders",
            "Members",
            "Withdrawals",
            "Links",
            "LedgerEntries",
            "Tasks",
            "Messages",
            "Contacts",
            "JourneyRuns",
        } <= found_in(planting.marks).keys()
        operator.delete(f"/v1/admin/tags/{tag_id}").ok(204)
        shopper.log_in()
        leave(shopper)
        for _ in range(2):
            run_jobs()
            mall_clock.advance(DAY + 1)
        run_jobs()
    finally:
        set_rules(operator, enabled=False)
    assert found_in(planting.marks) == {}
    assert [line for line in lines for one in [*planting.marks, shopper.member_id] if one in line] == []
    states = [operator.get(f"/v1/admin/orders/{order_id}").ok()["state"] for order_id in orders]
    assert states == ["closed", "completed", "closed", "closed"]
