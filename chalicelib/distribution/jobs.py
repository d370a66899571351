"""What distribution owes to later, and what it hears."""

from __future__ import annotations

from chalicelib.jobs.declarations import handles, subscribe

RELEASE_COMMISSIONS = handles("distribution.release_commissions", "chalicelib.distribution.commissions:release")
RAISE_TIER = handles("distribution.raise_tier", "chalicelib.distribution.service:promote")

subscribe("member.invited", "distribution.bind_visitor", "chalicelib.distribution.ties:bind_visitor")
subscribe("referred_order.confirmed", "distribution.hold_commissions", "chalicelib.distribution.commissions:paid")
subscribe("referred_order.refunded", "distribution.take_back_commissions",
          "chalicelib.distribution.commissions:refunded")  # fmt: skip
subscribe("referred_order.received", "distribution.date_release", "chalicelib.distribution.commissions:received")
