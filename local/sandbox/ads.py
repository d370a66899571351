"""Tencent's advertisements, which are told what a click has brought; `/_control/ads` shows what they were told."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import flask
import msgspec
from msgspec import Meta

from local.keys import ADS_TOKEN
from local.sandbox.world import World

#: How far the caller's clock may be off, in seconds.
_CLOCK_SECONDS = 300
_NONCE_MAX = 32
_MALFORMED, _BAD_TOKEN, _BAD_TIME, _BAD_NONCE = 11005, 11002, 11013, 11014


class _User(msgspec.Struct, forbid_unknown_fields=True):
    wechat_app_id: Annotated[str, Meta(min_length=1)]
    wechat_openid: Annotated[str, Meta(min_length=1)]


class _Param(msgspec.Struct, forbid_unknown_fields=True):
    value: Annotated[int, Meta(ge=0)]


class _Trace(msgspec.Struct, forbid_unknown_fields=True):
    click_id: Annotated[str, Meta(min_length=1)]


class _Action(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    outer_action_id: Annotated[str, Meta(min_length=1, max_length=204)]
    action_time: int
    user_id: _User
    action_type: Literal["REGISTER", "COMPLETE_ORDER", "PURCHASE"]
    trace: _Trace
    action_param: _Param | None = None


class _Told(msgspec.Struct, forbid_unknown_fields=True):
    account_id: Annotated[int, Meta(ge=1)]
    user_action_set_id: Annotated[int, Meta(ge=1)]
    actions: Annotated[list[_Action], Meta(min_length=1, max_length=50)]


def blueprint(world: World) -> flask.Blueprint:
    """The call of api.e.qq.com, and `GET /_control/ads`: each action once, with how often it was told."""
    ads = flask.Blueprint("ads", __name__)

    @ads.post("/v3.0/user_actions/add")
    def add() -> dict[str, Any]:
        code = _fault(world) or _take(world)
        return {"code": code, "message": "", "trace_id": "sandbox"}

    @ads.get("/_control/ads")
    def told() -> dict[str, Any]:
        with world.store.transaction() as db:
            rows = db.execute("SELECT action_set, body, told FROM ad_action ORDER BY seq").fetchall()
        return {"actions": [{**json.loads(row["body"]), "set": row["action_set"], "told": row["told"]} for row in rows]}

    return ads


def _fault(world: World) -> int:
    args = flask.request.args
    if args.get("access_token") != ADS_TOKEN:
        return _BAD_TOKEN
    if abs(world.clock() - int(args.get("timestamp") or 0)) > _CLOCK_SECONDS:
        return _BAD_TIME
    nonce = args.get("nonce", "")
    if not 0 < len(nonce) <= _NONCE_MAX:
        return _BAD_NONCE
    with world.store.transaction() as db:
        known = db.execute("SELECT 1 FROM nonce WHERE nonce = ?", (f"ads {nonce}",)).fetchone()
        if known is None:
            db.execute("INSERT INTO nonce (nonce, at) VALUES (?, ?)", (f"ads {nonce}", world.clock()))
    return 0 if known is None else _BAD_NONCE


def _take(world: World) -> int:
    try:
        body = msgspec.json.decode(flask.request.get_data(), type=_Told)
    except msgspec.MsgspecError:
        return _MALFORMED
    with world.store.transaction() as db:
        for action in body.actions:
            db.execute(
                "INSERT INTO ad_action (number, action_set, body) VALUES (?, ?, ?)"
                " ON CONFLICT (action_set, number) DO UPDATE SET told = told + 1",
                (
                    action.outer_action_id,
                    f"{body.account_id}/{body.user_action_set_id}",
                    msgspec.json.encode(action).decode(),
                ),
            )
    return 0
