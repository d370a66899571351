"""What distribution owes to later, and what it hears."""

from __future__ import annotations

from chalicelib.platform.jobs.declarations import handles, subscribe

RELEASE_COMMISSIONS = handles(
    "distribution.release_commissions", "chalicelib.growth.distribution.commissions.service:release_commissions"
)
RAISE_TIER = handles("distribution.raise_tier", "chalicelib.growth.distribution.distributors.service:raise_tier")

subscribe("member.invited", "distribution.bind_visitor", "chalicelib.growth.distribution.bindings.service:bind_visitor")
subscribe(
    "referred_order.confirmed",
    "distribution.hold_commissions",
    "chalicelib.growth.distribution.commissions.service:hold_commissions",
)
subscribe("referred_order.refunded", "distribution.take_back_commissions",
          "chalicelib.growth.distribution.commissions.service:take_back_commissions")  # fmt: skip
subscribe("referred_order.completed", "distribution.count_for_tier",
          "chalicelib.growth.distribution.commissions.service:count_for_tier")  # fmt: skip
subscribe("referred_order.closed", "distribution.end_binding",
          "chalicelib.growth.distribution.bindings.service:end_binding")  # fmt: skip
subscribe(
    "referred_order.received",
    "distribution.date_release",
    "chalicelib.growth.distribution.commissions.service:date_release",
)
