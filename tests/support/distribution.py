"""Distribution as the tests play it: settings, distributors, customers who come by their links, commissions."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from chalicelib.platform.jobs import worker
from local.client import SHANGHAI, Operator, Sandbox, Shopper, Transport
from local.clock import LocalClock
from local.notices import payment_callback

#: Two paid levels of 10 % and 5 %, unless a test says otherwise.
RULES: dict[str, Any] = {"enabled": True, "levels": 2, "rates_bp": [1000, 500], "freeze_days": 7}


def set_rules(operator: Operator, **more: Any) -> Any:
    """Switch distribution on, with these settings."""
    return operator.put("/v1/admin/settings/distribution", RULES | more).ok()


def distributor(operator: Operator, shopper: Shopper) -> Any:
    """The shopper becomes a distributor; as they are answered."""
    answer = shopper.post("/v1/distributor").ok()
    operator.post(f"/v1/admin/distributors/{answer['distributor_id']}/approve").ok()
    return answer


def come_by(shopper: Shopper, token: str) -> None:
    """The shopper, who is logged in, opens a link."""
    shopper.post("/v1/me/visits", {"inviter": token}).ok()


def pay(shopper: Shopper, order_id: str) -> None:
    """The shopper pays, and WeChat tells the mall so."""
    shopper.sandbox.pay(shopper.start_payment(order_id), notify="none")
    shopper.send(*payment_callback(shopper.sandbox, order_id)).ok()


def run_jobs() -> None:
    """What is due is done."""
    worker.run_due()


def deliver(operator: Operator, shopper: Shopper, order_id: str) -> None:
    """The order is sent and received."""
    operator.post(f"/v1/admin/orders/{order_id}/ship", {"carrier": "SF", "tracking_no": f"SF-{order_id[-8:]}"}).ok()
    shopper.post(f"/v1/orders/{order_id}/receive").ok()


def completed(clock: LocalClock) -> None:
    """The days in which members can give back what they have received are over."""
    for seconds in (7 * 86400 + 1, 3601):  # an order waits an hour for a refund that is on its way
        clock.advance(seconds)
        run_jobs()


def complete(order_id: str) -> None:
    """The order is completed, where it was received and no refund of it is open."""
    from chalicelib.commerce.orders import service as orders
    from chalicelib.commerce.orders.rules import Order, step
    from chalicelib.core import clock

    def decide(order: Order, _: Any) -> Order:
        if order.state != "received" or any(refund.open for refund in order.refunds):
            return order
        return step(order, "complete", "completed", "system", clock.now())

    orders.change(order_id, decide)


def balance(shopper: Shopper) -> tuple[int, int]:
    """What the shopper has earned: pending, and available, in fen."""
    from chalicelib.ledger import queries as ledger_queries

    kept = ledger_queries.balance(shopper.member_id)
    return kept.pending, kept.available


def inviter_of(shopper: Shopper) -> str | None:
    """Whom the shopper is bound to now."""
    from chalicelib.core import clock
    from chalicelib.growth.distribution.tables import BINDING, Distributors
    from chalicelib.platform.store import read

    item = read.get(Distributors, shopper.member_id, BINDING)
    return item.binding.inviter if item is not None and item.binding.live(clock.now()) else None


def bare_member(openid: str = "") -> str:
    """Somebody new without an address, whom WeChat calls so; their id."""
    from chalicelib.core import clock, ids
    from chalicelib.core.settings import settings
    from chalicelib.customers.members.logins.service import join
    from chalicelib.customers.members.returning.rules import Before
    from chalicelib.customers.members.rules import Profile
    from chalicelib.customers.members.tables import mini_identity

    profile = Profile(member_id=ids.new("m"), openid=openid or ids.new("o"), joined_at=clock.now())
    join(mini_identity(settings().wechat_appid, profile.openid), profile, Before())
    return profile.member_id


def quick_member(send: Transport, sandbox: Sandbox) -> Shopper:
    """Somebody new with an address, who joined without the way through WeChat."""
    from chalicelib.core import clock, ids
    from chalicelib.customers.members import service
    from chalicelib.customers.members.rules import Address
    from chalicelib.platform.web import tokens

    openid = ids.new("o")
    member_id = bare_member(openid)
    address = service.add_address(member_id, Address(address_id=ids.new("a"), **SHANGHAI))
    token = tokens.issue("member", member_id, clock.now() + timedelta(days=365))
    return Shopper(send, sandbox, openid, token, member_id, address.address_id)


def quick_distributor(member_id: str) -> str:
    """The member is an active distributor; their invite code."""
    from chalicelib.growth.distribution.distributors import service as distributors

    code: str = distributors.apply(member_id).invite_code
    distributors.approve(member_id)
    return code


def balance_differences(*member_ids: str) -> list[Any]:
    """What of these members' balances and months does not agree with their entries."""
    from chalicelib.ledger import queries as ledger_queries
    from chalicelib.ledger.checks import audit_balances

    entries = {
        (entry.about, entry.cause): entry
        for member_id in member_ids
        for entry in ledger_queries.all_of_member(member_id)
    }
    balances = {member_id: ledger_queries.balance(member_id) for member_id in member_ids}
    months = {member_id: ledger_queries.months(member_id, date(9999, 1, 1)) for member_id in member_ids}
    return audit_balances(entries.values(), balances, months)


def new(operator: Operator, sandbox: str, brought_by: Shopper | None = None, *, sells: bool = True) -> Shopper:
    """Somebody new, brought by a distributor or by nobody; a distributor themselves, unless they only shop."""
    shopper = Shopper.arrive(operator.send, Sandbox(sandbox))
    if brought_by is not None:
        come_by(shopper, brought_by.post("/v1/distributor").ok()["invite_code"])
        run_jobs()
    if sells:
        distributor(operator, shopper)
    return shopper


def bought(shopper: Shopper, lines: list[tuple[str, int]], **more: Any) -> str:
    """An order of these lines, paid, and its commissions made."""
    body = {"lines": [{"sku_id": sku, "quantity": quantity} for sku, quantity in lines]} | more
    body["address_id"] = shopper.address_id
    payable = shopper.post("/v1/quotes", body).ok()["payable_fen"]
    order_id: str = shopper.post("/v1/orders", body | {"expected_payable_fen": payable}, key=f"{payable}").ok(201)[
        "order_id"
    ]
    pay(shopper, order_id)
    run_jobs()
    return order_id


def give_back(operator: Operator, order_id: str, sku: str, quantity: int, key: str = "1") -> None:
    """An operator refunds so many pieces."""
    body = {"reason": "补偿", "lines": [{"sku_id": sku, "quantity": quantity}]}
    operator.post(f"/v1/admin/orders/{order_id}/refunds", body, key=key).ok(202)
    run_jobs()
