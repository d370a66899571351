"""What members owe to later, what they tell, and what they hear."""

from __future__ import annotations

from chalicelib.platform.jobs.declarations import OUTSIDE, event, handles, subscribe

ERASE = handles("members.erase", "chalicelib.customers.members.privacy.service:erase_elsewhere")

LEAVE = handles("members.leave", "chalicelib.customers.members.consents.service:leave")
#: WeChat looks at a member's nickname and picture before others see them.
CHECK_CONTENT = handles("members.check_content", "chalicelib.customers.members.content.service:check", OUTSIDE)

INVITED = event("member.invited")
#: An operator has blocked the member.
BLOCKED = event("member.blocked")

#: Of what the version before completed.
subscribe("order.completed", "members.count_purchase", "chalicelib.customers.members.service:count_purchase")
