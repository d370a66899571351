"""What members owe to later, what they tell, and what they hear."""

from __future__ import annotations

from chalicelib.platform.jobs.declarations import MANY, OUTSIDE, event, handles, subscribe

ERASE = handles("members.erase", "chalicelib.customers.members.privacy.service:erase_elsewhere")

LEAVE = handles("members.leave", "chalicelib.customers.members.consents.service:leave")
#: WeChat looks at a member's nickname and picture before others see them.
CHECK_CONTENT = handles("members.check_content", "chalicelib.customers.members.content.service:check", OUTSIDE)

#: What was a member's who was merged is moved to whom they are now.
MERGE = handles("members.merge", "chalicelib.customers.members.absorbing.service:absorb", MANY)
#: Somebody follows the official account: WeChat is asked who they are.
FOLLOWED = handles("members.followed", "chalicelib.customers.members.followers.service:followed", OUTSIDE)

INVITED = event("member.invited")
#: An operator has blocked the member.
BLOCKED = event("member.blocked")

#: Of what the version before completed.
subscribe("order.completed", "members.count_purchase", "chalicelib.customers.members.service:count_purchase")
