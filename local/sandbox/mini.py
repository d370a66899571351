"""The mini-program's server API: login, access tokens, phones, shipping reports, codes. Errors come with a 200."""

from __future__ import annotations

import re
import secrets
import sqlite3
from typing import Any, TypeVar

import flask
import msgspec

from local.sandbox.people import given
from local.sandbox.picture import png
from local.sandbox.world import World, settle

_T = TypeVar("_T")

_CODE_SECONDS = 300
_TOKEN_SECONDS = 7200
_TOKEN_OVERLAP_SECONDS = 300
_PARCELS_MAX = 15
_SCENE_CHARACTERS = 32
_SCENE = re.compile(r"[0-9A-Za-z!#$&'()*+,/:;=?@\-._~]+")
_CODE_PIXELS = range(280, 1281)
_VERSIONS = ("release", "trial", "develop")
#: Of the carriers in WeChat's list (get_delivery_list), those that the mall and its tests speak of.
CARRIERS = frozenset(
    (
        "SF", "ZTO", "YTO", "YD", "STO", "JTSD", "JD", "EMS", "YZPY", "DBL", "HTKY", "UC", "ZJS", "KYSY", "ANE",
        "ZTOKY", "BTWL", "DBLKY", "JDKY", "JGSD", "LB", "HHTT", "GTO", "A4PX",
    )
)  # fmt: skip
#: A phone with something masked and its last four digits in clear: 189****1234, 0**2-******23-10.
_MASKED = re.compile(r"(?=.*\*)[0-9*+-]*[0-9](-?[0-9]){3}")


class Failed(Exception):
    """An errcode of the mini-program's server API."""

    def __init__(self, errcode: int, errmsg: str) -> None:
        super().__init__(errcode)
        self.errcode, self.errmsg = errcode, errmsg


def blueprint(world: World) -> flask.Blueprint:
    """The calls of api.weixin.qq.com."""
    mini = flask.Blueprint("mini", __name__)
    mini.register_error_handler(Failed, failure)

    @mini.get("/sns/jscode2session")
    def jscode2session() -> dict[str, Any]:
        args = flask.request.args
        _check_app(world, args.get("appid"), args.get("secret"))
        row = _use_code(world, "login", args.get("js_code", ""))
        with world.store.transaction() as db:
            unionid = given(db, row["openid"])
        return {"openid": row["openid"], "session_key": secrets.token_urlsafe(18), **unionid}

    @mini.post("/cgi-bin/stable_token")
    def stable_token() -> dict[str, Any]:
        body = read_body(_TokenBody)
        _check_app(world, body.appid, body.secret)
        return _issue_token(world, body.appid, force=body.force_refresh)

    @mini.post("/wxa/business/getuserphonenumber")
    def getuserphonenumber() -> dict[str, Any]:
        check_token(world)
        body = read_body(_PhoneBody)
        row = _use_code(world, "phone", body.code, body.openid)
        phone = {"phoneNumber": row["phone"], "purePhoneNumber": row["phone"], "countryCode": "86"}
        mark = {"timestamp": int(world.clock()), "appid": world.keys.appid}
        return {"errcode": 0, "errmsg": "ok", "phone_info": phone | {"watermark": mark}}

    @mini.post("/wxa/sec/order/upload_shipping_info")
    def upload_shipping_info() -> dict[str, Any]:
        check_token(world)
        _take_shipping(world, read_body(_ShippingBody))
        return {"errcode": 0, "errmsg": "ok"}

    @mini.post("/wxa/getwxacodeunlimit")
    def getwxacodeunlimit() -> flask.Response:
        check_token(world)
        return flask.Response(_code(read_body(_CodeBody)), mimetype="image/png")

    return mini


class _TokenBody(msgspec.Struct):
    appid: str
    secret: str
    grant_type: str
    force_refresh: bool = False


class _PhoneBody(msgspec.Struct):
    code: str
    openid: str | None = None


class _OrderKey(msgspec.Struct, omit_defaults=True):
    order_number_type: int
    transaction_id: str | None = None
    mchid: str | None = None
    out_trade_no: str | None = None


class _Contact(msgspec.Struct, omit_defaults=True):
    consignor_contact: str | None = None
    receiver_contact: str | None = None


class _Parcel(msgspec.Struct, omit_defaults=True):
    tracking_no: str
    express_company: str
    item_desc: str
    contact: _Contact | None = None


class _Payer(msgspec.Struct):
    openid: str


class _CodeBody(msgspec.Struct):
    scene: str
    page: str = ""
    check_path: bool = True
    env_version: str = "release"
    width: int = 430


class _ShippingBody(msgspec.Struct):
    order_key: _OrderKey
    logistics_type: int
    delivery_mode: int
    shipping_list: list[_Parcel]
    upload_time: str
    payer: _Payer
    is_all_delivered: bool | None = None


def failure(failed: Failed) -> dict[str, Any]:
    """The reply that an errcode is."""
    return {"errcode": failed.errcode, "errmsg": f"{failed.errmsg} rid: {secrets.token_hex(8)}"}


def read_body(shape: type[_T]) -> _T:
    """The body of the request. Raises Failed."""
    try:
        return msgspec.json.decode(flask.request.get_data(), type=shape)
    except msgspec.MsgspecError:
        raise Failed(47001, "data format error") from None


def _check_app(world: World, appid: str | None, secret: str | None) -> None:
    secrets_of = {world.keys.appid: world.keys.app_secret, world.keys.oa_appid: world.keys.oa_secret}
    if appid not in secrets_of:
        raise Failed(40013, "invalid appid")
    if secret != secrets_of[appid]:
        raise Failed(40125, "invalid appsecret")


def _use_code(world: World, kind: str, code: str, openid: str | None = None) -> sqlite3.Row:
    """Take a code of that kind, once and within five minutes; of this shopper, where one is named."""
    with world.store.transaction() as db:
        row: sqlite3.Row | None = db.execute("SELECT * FROM code WHERE code = ? AND kind = ?", (code, kind)).fetchone()
        if row is None or row["made_at"] < world.clock() - _CODE_SECONDS or openid not in (None, row["openid"]):
            raise Failed(40029, "invalid code")
        if row["used"]:
            raise Failed(40163, "code been used")
        db.execute("UPDATE code SET used = 1 WHERE code = ?", (code,))
    return row


def _issue_token(world: World, appid: str, *, force: bool) -> dict[str, Any]:
    """Issue a token of that account, which it begins with; the one there is, until soon before its end."""
    now = world.clock()
    with world.store.transaction() as db:
        theirs = "substr(token, 1, ?) = ?", (len(appid), appid)
        db.execute(f"DELETE FROM token WHERE {theirs[0]} AND (ends_at <= ? OR ?)", (*theirs[1], now, force))  # noqa: S608
        row = db.execute(f"SELECT * FROM token WHERE {theirs[0]} ORDER BY ends_at DESC", theirs[1]).fetchone()  # noqa: S608
        if row is None or row["ends_at"] - now <= _TOKEN_OVERLAP_SECONDS:
            row = {"token": appid + secrets.token_urlsafe(96), "ends_at": now + _TOKEN_SECONDS}
            db.execute("INSERT INTO token VALUES (:token, :ends_at)", row)
    return {"access_token": row["token"], "expires_in": int(row["ends_at"] - now)}


def check_token(world: World, appid: str | None = None) -> None:
    """Raise Failed unless the access token is good, and that account's; the mini-program's, where none is named."""
    token = flask.request.args.get("access_token", "")
    with world.store.transaction() as db:
        row = db.execute("SELECT 1 FROM token WHERE token = ? AND ends_at > ?", (token, world.clock())).fetchone()
    if row is None or not token.startswith(appid or world.keys.appid):
        raise Failed(40001, "invalid credential, access_token is invalid or not latest")


def _code(body: _CodeBody) -> bytes:
    """A picture that is another one for another scene or page; no phone can read it."""
    if not 1 <= len(body.scene) <= _SCENE_CHARACTERS:
        raise Failed(40169, "invalid length for scene, or the data is not json string")
    if not _SCENE.fullmatch(body.scene):
        raise Failed(40129, "invalid scene")
    if body.page.startswith("/") or "?" in body.page:
        raise Failed(41030, "invalid page")
    if body.width not in _CODE_PIXELS or body.env_version not in _VERSIONS:
        raise Failed(40097, "invalid args")
    return png(f"{body.page}?{body.scene}", body.width)


def _check_parcel(parcel: _Parcel) -> None:
    """WeChat knows the carrier, and of SF's parcels the last four digits of a masked phone."""
    if parcel.express_company not in CARRIERS:
        raise Failed(10060014, "参数错误: express_company")
    contact = parcel.contact and (parcel.contact.receiver_contact or parcel.contact.consignor_contact)
    if contact and not _MASKED.fullmatch(contact):
        raise Failed(10060014, "参数错误: contact")
    if parcel.express_company == "SF" and not contact:
        raise Failed(10060014, "参数错误: contact")


def _take_shipping(world: World, body: _ShippingBody) -> None:
    split = body.delivery_mode == 2
    if not 1 <= len(body.shipping_list) <= (_PARCELS_MAX if split else 1) or (split and body.is_all_delivered is None):
        raise Failed(268485228, "shipping_list")
    if any(len(p.item_desc) > 120 or not 0 < len(p.tracking_no) <= 128 for p in body.shipping_list):
        raise Failed(268485227, "shipping_list")
    for parcel in body.shipping_list:
        _check_parcel(parcel)
    key = body.order_key
    sent = msgspec.json.encode((body.logistics_type, split, body.shipping_list, body.is_all_delivered)).decode()
    with world.store.transaction() as db:
        settle(world, db)
        trade = db.execute(
            "SELECT * FROM trade WHERE transaction_id IS NOT NULL AND (out_trade_no = ? OR transaction_id = ?)",
            (key.out_trade_no if key.mchid == world.keys.mchid else None, key.transaction_id),
        ).fetchone()
        if trade is None:
            raise Failed(10060001, "支付单不存在")
        if trade["openid"] != body.payer.openid:
            raise Failed(10060031, "支付单不属于该openid")
        known = db.execute("SELECT * FROM shipping WHERE out_trade_no = ?", (trade["out_trade_no"],)).fetchone()
        if known and known["body"] == sent:
            raise Failed(10060023, "发货信息未更新")
        if known and known["reshipped"]:
            raise Failed(10060003, "支付单已使用重新发货机会")
        reshipped = int(bool(known and known["complete"]))  # after the last parcel, once more and no further
        complete = int(not split or bool(body.is_all_delivered))
        db.execute(
            "INSERT OR REPLACE INTO shipping VALUES (?, ?, ?, ?)", (trade["out_trade_no"], sent, complete, reshipped)
        )
