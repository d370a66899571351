"""Messages of the mini-program and of the official account: subscribe messages, template messages, and what customer
service writes. They are taken or refused by who has agreed, who follows, and who has written.

`/_control` plays the user: what they say when they are asked for a subscribe message, and what they write.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections import Counter
from typing import Annotated, Any, Literal
from urllib.parse import parse_qs, urlsplit

import flask
import msgspec
import requests
from msgspec import Meta

from local.sandbox import fields, messages, mini, pushes
from local.sandbox.asked import Denied, Name, denial, read
from local.sandbox.mini import Failed, check_token, read_body
from local.sandbox.people import is_known, know, openid_of
from local.sandbox.templates import PURPOSES, template_of, took
from local.sandbox.windows import open_window, use_window
from local.sandbox.world import World, digits

_BAD_OPENID, _NO_TEMPLATE, _BAD_DATA, _NOT_AGREED, _NOT_FOLLOWING = 40003, 40037, 47003, 43101, 43004
_TEXT_BYTES = 2048
_PAGE_CHARACTERS = 1024
#: For so many seconds the same client_msg_id for the same user is the same message.
_SAME_SECONDS = 600


class _Value(msgspec.Struct):
    value: str


class _Subscribe(msgspec.Struct):
    touser: str
    template_id: str
    data: dict[str, _Value]
    page: Annotated[str, Meta(max_length=_PAGE_CHARACTERS)] = ""
    miniprogram_state: Literal["developer", "trial", "formal"] = "formal"
    lang: Literal["zh_CN", "en_US", "zh_HK", "zh_TW"] = "zh_CN"


class _Jump(msgspec.Struct):
    appid: str
    pagepath: Annotated[str, Meta(min_length=1, max_length=_PAGE_CHARACTERS)]


class _TemplateBody(msgspec.Struct):
    touser: str
    template_id: str
    data: dict[str, _Value]
    miniprogram: _Jump | None = None
    url: str = ""
    client_msg_id: Annotated[str, Meta(max_length=32)] = ""


class _Text(msgspec.Struct):
    content: Annotated[str, Meta(min_length=1)]


class _Custom(msgspec.Struct):
    touser: str
    msgtype: str
    text: _Text | None = None


class _Asked(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Who was asked for one message of this template, by name or by openid, and what they said; or what they changed in
    WeChat's settings, where a no takes back all that they agreed to. Where the mall is told, if not where the sandbox
    always tells it."""

    template_id: Name
    accept: bool
    user: Name | None = None
    openid: Name | None = None
    in_settings: bool = False
    url: str | None = None

    def __post_init__(self) -> None:
        if (self.user is None) == (self.openid is None):
            raise ValueError("user, or openid")


class _Written(msgspec.Struct, forbid_unknown_fields=True):
    user: Name
    text: Annotated[str, Meta(min_length=1, max_length=600)]
    url: str | None = None


def blueprint(world: World) -> flask.Blueprint:
    """The calls of api.weixin.qq.com, and those under /_control."""
    sends = flask.Blueprint("sends", __name__)
    refused: list[int] = []
    world.resets.append(refused.clear)

    @sends.errorhandler(Failed)
    def refuse(failed: Failed) -> dict[str, Any]:
        refused.append(failed.errcode)
        return mini.failure(failed)

    sends.register_error_handler(Denied, denial)

    @sends.post("/cgi-bin/message/subscribe/send")
    def subscribe_send() -> dict[str, Any]:
        check_token(world)
        _send_subscribe(world, read_body(_Subscribe))
        return {"errcode": 0, "errmsg": "ok"}

    @sends.post("/cgi-bin/message/template/send")
    def template_send() -> dict[str, Any]:
        check_token(world, world.keys.oa_appid)
        msgid = _send_template(world, read_body(_TemplateBody))
        world.wake.set()
        return {"errcode": 0, "errmsg": "ok", "msgid": msgid}

    @sends.post("/cgi-bin/message/custom/send")
    def custom_send() -> dict[str, Any]:
        is_oa = flask.request.args.get("access_token", "").startswith(world.keys.oa_appid)
        appid = world.keys.oa_appid if is_oa else world.keys.appid
        check_token(world, appid)
        _send_custom(world, appid, read_body(_Custom))
        return {"errcode": 0, "errmsg": "ok"}

    @sends.get("/_control/refused")
    def counted() -> dict[str, Any]:
        return {"refused": Counter(map(str, refused))}

    @sends.post("/_control/subscribe")
    def subscribe() -> dict[str, Any]:
        return _answer_popup(world, read(_Asked))

    @sends.post("/_control/<account>/message")
    def write(account: str) -> dict[str, Any]:
        if account not in ("oa", "mini"):
            raise Denied(404, "oa, or mini")
        return _write(world, account == "oa", read(_Written))

    return sends


def _send_subscribe(world: World, body: _Subscribe) -> None:
    values = {name: one.value for name, one in body.data.items()}
    with world.store.transaction() as db:
        _check_user(db, body.touser, world.keys.appid)
        text, purpose = _filled(db, "subscribe", body.template_id, values)
        used = db.execute(
            "UPDATE allowance SET count = count - 1 WHERE openid = ? AND template_id = ? AND count > 0",
            (body.touser, body.template_id),
        ).rowcount
        if not used:
            raise Failed(_NOT_AGREED, "user refuse to accept the msg")
        message_id = (parse_qs(urlsplit(body.page).query).get("m") or [""])[0]
        took(
            db, world.clock(), medium="subscribe", address=body.touser, purpose=purpose, template_id=body.template_id,
            text=text, message_id=message_id,
        )  # fmt: skip


def _send_template(world: World, body: _TemplateBody) -> int:
    """WeChat's number of the message."""
    values = {name: one.value for name, one in body.data.items()}
    if body.miniprogram is not None and body.miniprogram.appid != world.keys.appid:
        raise Failed(40013, "invalid appid")
    with world.store.transaction() as db:
        now = world.clock()
        _check_user(db, body.touser, world.keys.oa_appid)
        _check_follower(db, body.touser)
        text, purpose = _filled(db, "oa", body.template_id, values)
        same = db.execute(
            "SELECT msgid FROM oa_message WHERE openid = ? AND client_msg_id = ? AND made_at > ?",
            (body.touser, body.client_msg_id, now - _SAME_SECONDS),
        ).fetchone()
        if same is not None and body.client_msg_id:
            return int(same["msgid"])
        msgid = int("3" + digits(17))
        db.execute(
            "INSERT OR REPLACE INTO oa_message VALUES (?, ?, ?, ?)", (body.touser, body.client_msg_id, msgid, now)
        )
        took(
            db, now, medium="oa", address=body.touser, purpose=purpose, template_id=body.template_id, text=text,
            message_id=body.client_msg_id,
        )  # fmt: skip
        if world.messages_url is not None:
            done = {"FromUserName": body.touser, "Event": "TEMPLATESENDJOBFINISH", "MsgID": msgid, "Status": "success"}
            pushes.owe(db, "oa", str(msgid), world.messages_url, done, now)
    return msgid


def _send_custom(world: World, appid: str, body: _Custom) -> None:
    if body.msgtype != "text" or body.text is None:
        raise Failed(40008, "invalid message type")
    if len(body.text.content.encode()) > _TEXT_BYTES:
        raise Failed(45002, "content size out of limit")
    is_oa = appid == world.keys.oa_appid
    with world.store.transaction() as db:
        now = world.clock()
        _check_user(db, body.touser, appid)
        if is_oa:
            _check_follower(db, body.touser)
        use_window(db, body.touser, now)
        took(
            db, now, medium="oa" if is_oa else "mini", address=body.touser, purpose="service", template_id="",
            text=body.text.content, message_id="",
        )  # fmt: skip


def _check_user(db: sqlite3.Connection, openid: str, appid: str) -> None:
    if not is_known(db, openid, appid):
        raise Failed(_BAD_OPENID, "invalid openid")


def _check_follower(db: sqlite3.Connection, openid: str) -> None:
    if not _follows(db, openid):
        raise Failed(_NOT_FOLLOWING, "require subscribe")


def _follows(db: sqlite3.Connection, openid: str) -> bool:
    row = db.execute("SELECT follows FROM follower WHERE openid = ?", (openid,)).fetchone()
    return row is not None and bool(row["follows"])


def _filled(
    db: sqlite3.Connection, medium: Literal["subscribe", "oa"], template_id: str, values: dict[str, str]
) -> tuple[str, str]:
    """The text of the message, and its purpose. Raises Failed."""
    template = template_of(db, medium, template_id)
    if template is None:
        raise Failed(_NO_TEMPLATE, "invalid template_id")
    field = fields.refused(template.content, values)
    if field is not None:
        raise Failed(_BAD_DATA, f"argument invalid! data.{field}.value invalid")
    return fields.filled(template.content, values), PURPOSES[template.kind]


def _answer_popup(world: World, body: _Asked) -> dict[str, Any]:
    """The user says whether they agree to one message more; the mall is told."""
    openid = body.openid or openid_of(world.keys.appid, body.user or "")
    with world.store.transaction() as db:
        if template_of(db, "subscribe", body.template_id) is None:
            raise Denied(404, "no such template")
        if body.user is not None or not is_known(db, openid, world.keys.appid):
            know(db, openid, world.keys.appid, body.user or openid)
        _count(db, openid, body)
    said = "accept" if body.accept else "reject"
    item = {"TemplateId": body.template_id, "SubscribeStatusString": said, "PopupScene": "0"}
    event = "subscribe_msg_change_event" if body.in_settings else "subscribe_msg_popup_event"
    told = {"FromUserName": openid, "Event": event, "List": item}
    return _told(world, messages.of_mini(world.keys), body.url, openid, told)


def _count(db: sqlite3.Connection, openid: str, body: _Asked) -> None:
    """One message more, or none any more."""
    if body.accept and not body.in_settings:
        db.execute(
            "INSERT INTO allowance VALUES (?, ?, 1) ON CONFLICT (openid, template_id) DO UPDATE SET count = count + 1",
            (openid, body.template_id),
        )
    elif body.in_settings and not body.accept:
        db.execute("DELETE FROM allowance WHERE openid = ? AND template_id = ?", (openid, body.template_id))


def _write(world: World, is_oa: bool, body: _Written) -> dict[str, Any]:
    """The user writes to an account, which opens its window; the mall is told."""
    account = messages.of_oa(world.keys) if is_oa else messages.of_mini(world.keys)
    openid = openid_of(account.appid, body.user)
    with world.store.transaction() as db:
        if is_oa and not _follows(db, openid):
            raise Denied(409, "the user does not follow the official account")
        know(db, openid, account.appid, body.user)
        open_window(db, openid, "message", world.clock())
    written = {
        "FromUserName": openid, "MsgType": "text", "Content": body.text, "MsgId": secrets.randbelow(2**53),
    }  # fmt: skip
    return _told(world, account, body.url, openid, written)


def _told(
    world: World, account: messages.Account, url: str | None, openid: str, event: dict[str, Any]
) -> dict[str, Any]:
    """Tell the mall once; the openid, and what it answered."""
    to = url or world.messages_url
    if to is None:
        return {"openid": openid, "status": None, "event": event}
    try:
        answer = messages.tell(account, to, event, world.clock())
    except requests.RequestException as fault:
        raise Denied(409, f"the mall did not answer: {type(fault).__name__}") from None
    return {"openid": openid, "status": answer.status_code, "answer": answer.text}
