"""The check of what users show each other: texts at once, pictures later. The control API says what is found risky."""

from __future__ import annotations

import contextlib
import secrets
import threading
from typing import Annotated, Any, Literal

import flask
import msgspec
import requests
from msgspec import Meta

from local.sandbox import messages, mini
from local.sandbox.mini import Failed, check_token, read_body
from local.sandbox.world import World

_LABELS = {"pass": 100, "review": 20002, "risky": 20001}
_TEXT_MAX = 2500
#: After how many real seconds the verdict on a picture comes.
_VERDICT_SECONDS = 2.0


class _TextBody(msgspec.Struct):
    content: Annotated[str, Meta(min_length=1, max_length=_TEXT_MAX)]
    version: Literal[2]
    scene: Literal[1, 2, 3, 4]
    openid: Annotated[str, Meta(min_length=1, max_length=128)]
    nickname: str | None = None


class _MediaBody(msgspec.Struct):
    media_url: Annotated[str, Meta(pattern=r"\Ahttps?://\S+\Z", max_length=2048)]
    media_type: Literal[1, 2]
    version: Literal[2]
    scene: Literal[1, 2, 3, 4]
    openid: Annotated[str, Meta(min_length=1, max_length=128)]


class _Rule(msgspec.Struct, forbid_unknown_fields=True):
    text: Annotated[str, Meta(min_length=1, max_length=512)]
    suggest: Literal["pass", "review", "risky", "inactive"]


def blueprint(world: World) -> flask.Blueprint:
    """The calls of api.weixin.qq.com, and `/_control/content`: what holds this text (a word, a part of an address) is
    found `risky`, left to a `review`, or its user is `inactive`; `pass` ends that."""
    content = flask.Blueprint("content", __name__)
    content.register_error_handler(Failed, mini.failure)

    @content.post("/wxa/msg_sec_check")
    def msg_sec_check() -> dict[str, Any]:
        check_token(world)
        suggest = _suggest(world, read_body(_TextBody).content)
        result = {"suggest": suggest, "label": _LABELS[suggest]}
        return {"errcode": 0, "errmsg": "ok", "result": result, "detail": [], "trace_id": _trace()}

    @content.post("/wxa/media_check_async")
    def media_check_async() -> dict[str, Any]:
        check_token(world)
        body, trace_id = read_body(_MediaBody), _trace()
        suggest = _suggest(world, body.media_url)
        with world.store.transaction() as db:
            db.execute(
                "INSERT INTO media_check VALUES (?, ?, ?, ?, ?)",
                (trace_id, body.openid, body.media_url, suggest, world.clock()),
            )
        if world.messages_url is not None:
            threading.Timer(
                _VERDICT_SECONDS, _tell, (world, world.messages_url, body.openid, trace_id, suggest)
            ).start()
        return {"errcode": 0, "errmsg": "ok", "trace_id": trace_id}

    @content.post("/_control/content")
    def rule() -> dict[str, Any] | tuple[dict[str, Any], int]:
        try:
            said = msgspec.json.decode(flask.request.get_data(), type=_Rule)
        except msgspec.MsgspecError as error:
            return {"reason": str(error)}, 400
        with world.store.transaction() as db:
            db.execute("INSERT OR REPLACE INTO content_rule VALUES (?, ?)", (said.text, said.suggest))
        return {}

    @content.get("/_control/content/media")
    def media() -> dict[str, Any]:
        with world.store.transaction() as db:
            rows = db.execute("SELECT trace_id, openid, media_url, suggest FROM media_check ORDER BY rowid").fetchall()
        return {"media": [dict(row) for row in rows]}

    return content


def _tell(world: World, url: str, openid: str, trace_id: str, suggest: str) -> None:
    """Tell the mall what was found of a picture, once."""
    result = {"suggest": suggest, "label": _LABELS[suggest]}
    event = {
        "FromUserName": openid, "Event": "wxa_media_check", "appid": world.keys.appid, "version": 2, "errcode": 0,
        "trace_id": trace_id, "result": result,
    }  # fmt: skip
    with contextlib.suppress(requests.RequestException):  # it asks again when nothing comes
        messages.tell(messages.of_mini(world.keys), url, event, world.clock())


def _trace() -> str:
    return f"{secrets.token_hex(4)}-{secrets.token_hex(4)}-{secrets.token_hex(4)}"


def _suggest(world: World, text: str) -> str:
    """What is found of a text or an address. Raises Failed for a user who has not been active of late."""
    with world.store.transaction() as db:
        rule = db.execute(
            "SELECT suggest FROM content_rule WHERE instr(?, text) > 0 AND suggest != 'pass' ORDER BY rowid DESC",
            (text,),
        ).fetchone()
    if rule is not None and rule["suggest"] == "inactive":
        raise Failed(61010, "code is expired")
    return "pass" if rule is None else str(rule["suggest"])
