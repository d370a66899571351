"""An ad platform is told once that a member joined by a click, and of each order that one brought: by jobs, which ask
again whether the member wants that. Without the merchant's settings nothing is owed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import msgspec

from chalicelib.core import clock
from chalicelib.customers.channels import ports
from chalicelib.customers.channels.ads.rules import Conversion, What, click_of, joined_by, may_be_told
from chalicelib.customers.channels.jobs import REPORT_AD
from chalicelib.customers.channels.settings import ADS
from chalicelib.customers.channels.touches.rules import OrderSource, Touches
from chalicelib.customers.members import queries as members
from chalicelib.customers.members.rules import AdClick, Profile, openid_of
from chalicelib.platform.jobs.job import Job
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store.transaction import Transaction


class Tencent:
    """Tells Tencent's advertisements."""

    def report(self, conversion: Conversion) -> None:
        """Tell of it; told again, it is the same. Raises WechatError."""
        from chalicelib.gateways.wechat import ads  # only the job that asks them pays for it

        rules = ADS.current()
        ads.add(
            rules.account_id,
            rules.user_action_set_id,
            ads.Action(
                number=conversion.number, kind=conversion.what, at=conversion.at, openid=conversion.openid,
                click_id=conversion.click_id, value_fen=conversion.value_fen,
            ),
        )  # fmt: skip


def owe_order(
    tx: Transaction, source: OrderSource | None, order_id: str, member_id: str, paid_fen: int, at: datetime
) -> None:  # fmt: skip
    """Owe as part of `tx` that the platform is told of an order, which is paid, where a click has brought it."""
    click = click_of(source)
    if click is not None and ADS.current().enabled:
        _owe(tx, "COMPLETE_ORDER", order_id, member_id, click, at, paid_fen)


def registered(tx: Transaction, touches: Touches, whom: Callable[[], Profile | None]) -> Touches:
    """Owe as part of `tx` that the platform is told of who joined by a click, and agrees to that; the touches, which
    say from then on that it was. Nothing else is read of who came by none."""
    if touches.registered or not any(touch.ad for touch in touches.items) or not ADS.current().enabled:
        return touches
    member = whom()
    click = None if member is None else joined_by(touches.items, member.joined_at)
    if member is None or click is None or not may_be_told(member):
        return touches
    _owe(tx, "REGISTER", member.member_id, member.member_id, click, member.joined_at)
    return msgspec.structs.replace(touches, registered=True)


def _owe(
    tx: Transaction, what: What, number: str, member_id: str, click: AdClick, at: datetime, value_fen: int | None = None
) -> None:  # fmt: skip
    told = {"what": what, "member_id": member_id, "click_id": click.click_id, "at": clock.stamp(at)}
    worth = {} if value_fen is None else {"value_fen": str(value_fen)}
    schedule(tx, REPORT_AD, number, None, **told, **worth)


def report(job: Job) -> None:
    """Tell the platform, unless the member or the merchant does not want it any more, or the member has left; again
    until it takes it."""
    told = job.task.payload
    member = members.current(told["member_id"]) or members.found(told["member_id"])
    if member is None or not may_be_told(member) or not ADS.current().enabled:
        return
    value = told.get("value_fen")
    ports.ad_report().report(
        Conversion(
            number=job.key, what="REGISTER" if told["what"] == "REGISTER" else "COMPLETE_ORDER",
            at=clock.from_stamp(told["at"]), openid=openid_of(member, told["member_id"]), click_id=told["click_id"],
            value_fen=None if value is None else int(value),
        )
    )  # fmt: skip
