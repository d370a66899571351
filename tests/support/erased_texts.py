"""Which texts of the interface are about persons, and are planted by the test of erasure; which are not, and why."""

from __future__ import annotations

ABOUT_PERSONS = tuple(
    f"/v1/admin/{what}" for what in ("members/", "merges", "orders/", "distributors/", "withdrawals/", "tasks/")
)

_AN_ID = "an id: something of that id is looked for, and nothing is kept where there is none"
_A_CODE = "WeChat's or the mall's own code: it is looked up, and not kept"
#: Texts that are not planted.
LISTED = {
    "source.scene": "a number or a word of WeChat's, kept where the channel is",
    "scene": "a number or a word of WeChat's, kept where the channel is",
    "session.source.scene": "a number or a word of WeChat's, kept where the channel is",
    "batch_id": "a UUID that the client made up: the batch goes with all of its member's",
    "events[].event_id": "as the batch's: the events are packed in it",
    "events[].name": "one of a list",
    "add[]": "one of the tags that operators have defined",
    "remove[]": "one of the tags that operators have defined",
    "region_code": "six digits that say a region; they stay, for what is sold where",
    "code": _A_CODE,
    "share_token": _A_CODE,
    "from": _AN_ID,
    "to": _AN_ID,
    "identity": _AN_ID,
    "address_id": _AN_ID,
    "product_id": _AN_ID,
    "template_id": _AN_ID,
    "coupon_ids[]": _AN_ID,
    "group.activity_id": _AN_ID,
    "group.lobby_id": _AN_ID,
    "lines[].sku_id": _AN_ID,
    "carrier": "one of a list",
    "tier": _AN_ID,
    "quiet.from": "a time of day",
    "quiet.until": "a time of day",
    "results[].template_id": _AN_ID,
    "outcome": "one of those that the task can have",
    "pictures[]": "the address of an upload of theirs and of nothing else: that it goes is in test_uploads.py",
}
#: Fields that are kept where another one is, whose flow is told elsewhere.
LIKE = {
    "POST /v1/admin/withdrawals/{withdrawal_id}/conclude reason": "Withdrawal.reason, as of a rejection",
}
