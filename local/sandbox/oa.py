"""The official account: who follows it, the call by which the merchant asks, and the message that tells of it."""

from __future__ import annotations

from typing import Annotated, Any

import flask
import msgspec
import requests
from msgspec import Meta

from local.sandbox import messages
from local.sandbox.mini import Failed, check_token, failure
from local.sandbox.people import OWN, give, given, know, openid_of
from local.sandbox.windows import open_window
from local.sandbox.world import World

_NOT_ITS_USER = 46004
_Name = Annotated[str, Meta(min_length=1, max_length=128)]


class _Follow(msgspec.Struct, forbid_unknown_fields=True):
    """Who follows; which unionid WeChat gives of them (null: none); the scene of the code by which they came; and where
    the merchant is told, if not where the sandbox always tells it."""

    user: _Name
    unionid: str | None = OWN
    scene: Annotated[str, Meta(max_length=64)] = ""
    url: str | None = None


def blueprint(world: World) -> flask.Blueprint:
    """The call of api.weixin.qq.com, and those under /_control/oa."""
    oa = flask.Blueprint("oa", __name__)
    oa.register_error_handler(Failed, failure)

    @oa.get("/cgi-bin/user/info")
    def user_info() -> dict[str, Any]:
        check_token(world, world.keys.oa_appid)
        openid = flask.request.args.get("openid", "")
        with world.store.transaction() as db:
            row = db.execute("SELECT follows FROM follower WHERE openid = ?", (openid,)).fetchone()
            unionid = given(db, openid)
        if row is None:
            raise Failed(_NOT_ITS_USER, "user not exist")
        if not row["follows"]:
            return {"subscribe": 0, "openid": openid}
        return {"subscribe": 1, "openid": openid, "subscribe_scene": "ADD_SCENE_QR_CODE", **unionid}

    @oa.post("/_control/oa/follow")
    def follow() -> Any:
        return _told(world, "subscribe")

    @oa.post("/_control/oa/unfollow")
    def unfollow() -> Any:
        return _told(world, "unsubscribe")

    return oa


def _told(world: World, event: str) -> Any:
    """Change who follows, and tell the merchant once; the openid, and what the merchant answered."""
    try:
        body = msgspec.json.decode(flask.request.get_data(), type=_Follow)
    except msgspec.MsgspecError as error:
        return {"reason": str(error)}, 400
    follows = event == "subscribe"
    openid = openid_of(world.keys.oa_appid, body.user)
    with world.store.transaction() as db:
        db.execute("INSERT OR REPLACE INTO follower VALUES (?, ?)", (openid, follows))
        know(db, openid, world.keys.oa_appid, body.user)
        if follows:
            open_window(db, openid, "follow", world.clock())
        if follows:
            give(world, db, openid, body.user, body.unionid)
    url = body.url or world.messages_url
    if url is None:
        return {"openid": openid, "status": None}
    scene = f"qrscene_{body.scene}" if body.scene and follows else ""
    message = {"FromUserName": openid, "Event": event, "EventKey": scene}
    try:
        answer = messages.tell(messages.of_oa(world.keys), url, message, world.clock())
    except requests.RequestException as fault:
        return {"reason": f"the mall did not answer: {type(fault).__name__}"}, 409
    return {"openid": openid, "status": answer.status_code, "answer": answer.text}
