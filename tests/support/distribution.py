"""Distribution as the tests play it: settings, distributors, customers who come by their links, commissions."""

from __future__ import annotations

from typing import Any

from chalicelib.jobs import service as jobs
from tests.support.client import Operator, Shopper
from tests.support.wechat import payment_callback

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
    jobs.run_due()


def deliver(operator: Operator, shopper: Shopper, order_id: str) -> None:
    """The order is sent and received."""
    operator.post(f"/v1/admin/orders/{order_id}/ship", {"carrier": "SF", "tracking_no": f"SF-{order_id[-8:]}"}).ok()
    shopper.post(f"/v1/orders/{order_id}/receive").ok()
