"""The templates that the platforms have approved of: some from the start, others by `/_control/templates`; and the
outbox of every message that a platform took."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import flask
import msgspec
from msgspec import Meta

from local.sandbox import fields
from local.sandbox.asked import Denied, Name, denial, instant, read
from local.sandbox.people import name_of
from local.sandbox.world import World

Medium = Literal["subscribe", "oa", "sms"]
Kind = Literal["notice", "marketing", "code"]
#: As the outbox says it of a message whose template is of that kind.
PURPOSES = {"notice": "transactional", "code": "transactional", "marketing": "marketing"}
#: A variable of an SMS: Aliyun's have names, Tencent's numbers.
_VARIABLE = re.compile(r"\$\{(\w+)\}|\{(\d+)\}")


class Template(msgspec.Struct, forbid_unknown_fields=True):
    """A text with {{thing1.DATA}} for a field of WeChat's, and ${name} or {1} for a variable of an SMS."""

    medium: Medium
    template_id: Name
    content: Annotated[str, Meta(min_length=1, max_length=1000)]
    kind: Kind = "notice"


def _wechat(medium: Medium, prefix: str) -> list[Template]:
    return [
        Template(medium, f"{prefix}-shipped",
                 "订单号：{{character_string1.DATA}}\n商品：{{thing2.DATA}}\n快递公司：{{thing3.DATA}}\n"
                 "快递单号：{{character_string4.DATA}}"),
        Template(medium, f"{prefix}-refund",
                 "订单号：{{character_string1.DATA}}\n退款金额：{{amount2.DATA}}\n备注：{{thing3.DATA}}"),
        Template(medium, f"{prefix}-group",
                 "商品：{{thing1.DATA}}\n状态：{{phrase2.DATA}}\n备注：{{thing3.DATA}}"),
        Template(medium, f"{prefix}-coupon",
                 "优惠券：{{thing1.DATA}}\n有效期至：{{date2.DATA}}\n备注：{{thing3.DATA}}"),
        Template(medium, f"{prefix}-notice", "内容：{{thing1.DATA}}"),
    ]  # fmt: skip


#: What the platforms know from the start.
BUILT_IN = {
    (one.medium, one.template_id): one
    for one in (
        *_wechat("subscribe", "sub"),
        *_wechat("oa", "oa"),
        Template("sms", "SMS_1001", "您的订单${order}已由${carrier}发出，单号${number}。"),
        Template("sms", "SMS_1002", "您的订单${order}已退款${amount}元。"),
        Template("sms", "SMS_1003", "您的拼团：${product}，${state}。"),
        Template("sms", "SMS_1004", "${text}"),
        Template("sms", "SMS_2001", "${name}专享优惠券已到账，${until}前有效，拒收请回复R", "marketing"),
        Template("sms", "SMS_2002", "会员专享优惠，进小程序查看，拒收请回复R", "marketing"),
        Template("sms", "SMS_2003", "${text}，拒收请回复R", "marketing"),
        Template("sms", "1001", "您的订单{1}已由{2}发出，单号{3}。"),
        Template("sms", "1002", "您的订单{1}已退款{2}元。"),
        Template("sms", "1004", "{1}"),
        Template("sms", "2001", "{1}专享优惠券已到账，{2}前有效，拒收请回复R", "marketing"),
        Template("sms", "2002", "会员专享优惠，进小程序查看，拒收请回复R", "marketing"),
    )
}


def blueprint(world: World) -> flask.Blueprint:
    """The calls under /_control."""
    templates = flask.Blueprint("templates", __name__)
    templates.register_error_handler(Denied, denial)

    @templates.post("/_control/templates")
    def register() -> dict[str, Any]:
        body = read(Template)
        unknown = fields.unknown_type(body.content) if body.medium != "sms" else None
        if unknown is not None:
            raise Denied(400, f"no field of WeChat's is named {unknown}")
        with world.store.transaction() as db:
            db.execute(
                "INSERT OR REPLACE INTO template VALUES (?, ?, ?, ?)",
                (body.medium, body.template_id, body.content, body.kind),
            )
        return {}

    @templates.get("/_control/templates")
    def known() -> dict[str, Any]:
        with world.store.transaction() as db:
            rows = db.execute("SELECT medium, template_id, content, kind FROM template ORDER BY rowid").fetchall()
        registered = {(row["medium"], row["template_id"]): dict(row) for row in rows}
        return {"templates": list({**msgspec.to_builtins(_by_key()), **registered}.values())}

    @templates.get("/_control/outbox")
    def outbox() -> dict[str, Any]:
        with world.store.transaction() as db:
            rows = db.execute("SELECT * FROM outbox ORDER BY seq").fetchall()
            return {"items": [_item(db, row) for row in rows]}

    return templates


def _by_key() -> dict[tuple[str, str], dict[str, str]]:
    return {key: msgspec.structs.asdict(one) for key, one in BUILT_IN.items()}


def _item(db: sqlite3.Connection, row: sqlite3.Row) -> dict[str, Any]:
    named = {name: row[name] for name in ("medium", "purpose", "template_id", "text", "message_id")}
    return {"at": instant(row["at"]), "to": name_of(db, row["address"]), **named}


def template_of(db: sqlite3.Connection, medium: Medium, template_id: str) -> Template | None:
    """The template that the platform has approved of under this id."""
    row = db.execute(
        "SELECT content, kind FROM template WHERE medium = ? AND template_id = ?", (medium, template_id)
    ).fetchone()
    return BUILT_IN.get((medium, template_id)) if row is None else Template(medium, template_id, row[0], row[1])


def variables(content: str) -> list[str]:
    """The variables of an SMS, in their order."""
    return [named or numbered for named, numbered in _VARIABLE.findall(content)]


def filled(content: str, values: Mapping[str, str]) -> str:
    """The SMS that the user reads, without its sign."""
    return _VARIABLE.sub(lambda found: values[found[1] or found[2]], content)


def took(
    db: sqlite3.Connection, now: float, *, medium: str, address: str, purpose: str, template_id: str, text: str,
    message_id: str,
) -> None:  # fmt: skip
    """The platform has taken this message for an openid or a phone."""
    db.execute(
        "INSERT INTO outbox (at, medium, address, purpose, template_id, text, message_id) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (now, medium, address, purpose, template_id, text, message_id),
    )
