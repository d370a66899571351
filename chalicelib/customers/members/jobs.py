"""What members owe to later, what they tell, and what they hear."""

from __future__ import annotations

from chalicelib.platform.jobs.declarations import event, handles, subscribe

ERASE = handles("members.erase", "chalicelib.customers.members.privacy.service:erase_elsewhere")

LEAVE = handles("members.leave", "chalicelib.customers.members.consents.service:leave")

INVITED = event("member.invited")
#: An operator has blocked the member.
BLOCKED = event("member.blocked")

subscribe("order.completed", "members.count_purchase", "chalicelib.customers.members.service:count_purchase")
