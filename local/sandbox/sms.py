"""Two vendors of SMS, Tencent Cloud under /sms/tencent and Aliyun under /sms/aliyun: signed calls, refusals in the
words of each, receipts a moment later, and what people reply.

`/_control/sms` plays the network and the people.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from urllib.parse import quote

import flask
import msgspec
from msgspec import Meta

from local.keys import SMS_SIGN
from local.sandbox import pushes, sms_signatures
from local.sandbox.asked import Denied, Name, denial, read
from local.sandbox.people import international, phone_now
from local.sandbox.templates import PURPOSES, Template, filled, template_of, took, variables
from local.sandbox.world import BEIJING, World, digits

Vendor = Literal["tencent", "aliyun"]

_PHONE = Annotated[str, Meta(pattern=r"\A\+?[0-9]{5,17}\Z")]
_E164 = r"\A\+[1-9][0-9]{6,14}\Z"
_DAY = 86400
#: How many of a kind one phone may get within a day, and of Tencent, for how long not the same text again.
_A_DAY = {"code": 10, "notice": 50, "marketing": 50}
_SAME_TEXT_SECONDS = 30
#: Of Aliyun, by the kind of template: how many to one phone within so many seconds.
_ALIYUN_LIMITS = {kind: ((_DAY, count),) for kind, count in _A_DAY.items()} | {
    "code": ((60, 1), (3600, 5), (_DAY, _A_DAY["code"]))
}
_ALIYUN_PARAM_CHARACTERS = 35
_SESSION_BYTES = 512
#: What the network says of what it delivered, and of what it did not.
_WORDS = {"tencent": ("DELIVRD", "UNDELIV"), "aliyun": ("DELIVERED", "UNDELIV")}


class _Refused(Exception):
    """An SMS that the vendor does not send, in its word for it."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class _TencentBody(msgspec.Struct, rename="pascal"):
    phone_number_set: Annotated[list[str], Meta(min_length=1, max_length=200)]
    sms_sdk_app_id: str
    template_id: str
    sign_name: str = ""
    template_param_set: list[str] = []
    session_context: str = ""


class _Person(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """By name, or by phone."""

    user: Name | None = None
    phone: _PHONE | None = None

    def __post_init__(self) -> None:
        if (self.user is None) == (self.phone is None):
            raise ValueError("user, or phone")

    def number(self, db: sqlite3.Connection) -> str:
        """The phone with + and its country's code."""
        return phone_now(db, self.user) if self.user is not None else international(self.phone or "")


class _Reply(_Person, kw_only=True):
    text: Annotated[str, Meta(min_length=1, max_length=500)]
    vendor: Vendor | None = None
    url: str | None = None


class _Network(_Person, kw_only=True):
    """What becomes of SMS to this phone from now on; null: nothing is said of it."""

    delivered: bool | None
    code: Annotated[str, Meta(max_length=64)] = ""


class _Receipt(msgspec.Struct, forbid_unknown_fields=True):
    message_id: Name
    delivered: bool
    code: Annotated[str, Meta(max_length=64)] = ""
    url: str | None = None


def blueprint(world: World) -> flask.Blueprint:
    """The calls of both vendors, and those under /_control/sms."""
    sms = flask.Blueprint("sms", __name__)
    sms.register_error_handler(Denied, denial)

    @sms.post("/sms/tencent/")
    def tencent() -> dict[str, Any]:
        request_id = secrets.token_hex(16)
        code = sms_signatures.tencent_fault(world, flask.request)
        if code is not None:
            return {"Response": {"Error": {"Code": code, "Message": "refused"}, "RequestId": request_id}}
        try:
            body = msgspec.json.decode(flask.request.get_data(), type=_TencentBody)
        except msgspec.MsgspecError:
            return {"Response": {"Error": {"Code": "InvalidParameter", "Message": "refused"}, "RequestId": request_id}}
        statuses = [_tencent_status(world, body, number) for number in body.phone_number_set]
        return {"Response": {"SendStatusSet": statuses, "RequestId": request_id}}

    @sms.post("/sms/aliyun/")
    def aliyun() -> tuple[dict[str, Any], int]:
        request_id = secrets.token_hex(16).upper()
        fault = sms_signatures.aliyun_fault(world, flask.request)
        if fault is not None:
            return {"Code": fault[0], "Message": "refused", "RequestId": request_id}, fault[1]
        try:
            ref = _aliyun_send(world, flask.request.args)
        except _Refused as refused:
            return {"Code": refused.code, "Message": "refused", "RequestId": request_id}, 200
        return {"Code": "OK", "Message": "OK", "BizId": ref, "RequestId": request_id}, 200

    @sms.post("/_control/sms/reply")
    def reply() -> dict[str, Any]:
        return _reply(world, read(_Reply))

    @sms.post("/_control/sms/receipt")
    def receipt() -> dict[str, Any]:
        return _tell_receipt(world, read(_Receipt))

    @sms.post("/_control/sms/network")
    def network() -> dict[str, Any]:
        body = read(_Network)
        with world.store.transaction() as db:
            db.execute(
                "INSERT OR REPLACE INTO sms_network VALUES (?, ?, ?)", (body.number(db), body.delivered, body.code)
            )
        return {}

    return sms


def _tencent_status(world: World, body: _TencentBody, number: str) -> dict[str, Any]:
    code, ref, phone = "Ok", "", number
    try:
        ref, phone = _tencent_send(world, body, number)
    except _Refused as refused:
        code = refused.code
    return {
        "SerialNo": ref, "PhoneNumber": phone, "Fee": 1 if code == "Ok" else 0, "SessionContext": body.session_context,
        "Code": code, "Message": "send success" if code == "Ok" else "refused", "IsoCode": "CN",
    }  # fmt: skip


def _tencent_send(world: World, body: _TencentBody, number: str) -> tuple[str, str]:
    """The SerialNo and the phone. Raises _Refused."""
    if body.sms_sdk_app_id != world.keys.sms_app_id:
        raise _Refused("InvalidParameterValue.SdkAppIdNotExist")
    if not _is_e164(number):
        raise _Refused("InvalidParameterValue.IncorrectPhoneNumber")
    if body.sign_name != SMS_SIGN:
        raise _Refused("FailedOperation.SignatureIncorrectOrUnapproved")
    if len(body.session_context.encode()) >= _SESSION_BYTES:
        raise _Refused("InvalidParameterValue.SessionContextTooLong")
    with world.store.transaction() as db:
        template = template_of(db, "sms", body.template_id)
        if template is None:
            raise _Refused("FailedOperation.TemplateIncorrectOrUnapproved")
        names = variables(template.content)
        if len(names) != len(body.template_param_set):
            raise _Refused("FailedOperation.TemplateParamSetNotMatchApprovedTemplate")
        text = filled(template.content, dict(zip(names, body.template_param_set, strict=True)))
        now = world.clock()
        if _sent_since(db, number, now - _SAME_TEXT_SECONDS, text=text):
            raise _Refused("LimitExceeded.PhoneNumberThirtySecondLimit")
        if _sent_since(db, number, now - _DAY, kind=template.kind) >= _A_DAY[template.kind]:
            raise _Refused("LimitExceeded.PhoneNumberDailyLimit")
        ref = f"2640:{secrets.randbelow(10**9)}{digits(10)}"
        _take(world, db, "tencent", ref, number, template, text, body.session_context)
    return ref, number


def _aliyun_send(world: World, query: Any) -> str:
    """The BizId. Raises _Refused."""
    number, template_id = query.get("PhoneNumbers", ""), query.get("TemplateCode", "")
    phone = f"+{number}" if len(number) != 11 or not number.startswith("1") else f"+86{number}"
    if not _is_e164(phone):
        raise _Refused("isv.MOBILE_NUMBER_ILLEGAL")
    if query.get("SignName", "") != SMS_SIGN:
        raise _Refused("isv.SMS_SIGNATURE_ILLEGAL")
    with world.store.transaction() as db:
        template = template_of(db, "sms", template_id)
        if template is None:
            raise _Refused("isv.SMS_TEMPLATE_ILLEGAL")
        text = filled(template.content, _aliyun_params(query.get("TemplateParam", "{}"), template))
        now = world.clock()
        for seconds, most in _ALIYUN_LIMITS[template.kind]:
            if _sent_since(db, phone, now - seconds, kind=template.kind) >= most:
                raise _Refused("isv.BUSINESS_LIMIT_CONTROL")
        ref = f"{digits(18)}^0"
        _take(world, db, "aliyun", ref, phone, template, text, query.get("OutId", ""))
    return ref


def _aliyun_params(text: str, template: Template) -> dict[str, str]:
    """The values of the template's variables. Raises _Refused."""
    try:
        params = msgspec.json.decode(text, type=dict[str, str])
    except msgspec.MsgspecError:
        raise _Refused("isv.INVALID_JSON_PARAM") from None
    names = set(variables(template.content))
    if names - set(params):
        raise _Refused("isv.TEMPLATE_MISSING_PARAMETERS")
    if set(params) - names:
        raise _Refused("isv.TEMPLATE_PARAMS_ILLEGAL")
    if any(len(value) > _ALIYUN_PARAM_CHARACTERS for value in params.values()):
        raise _Refused("isv.PARAM_LENGTH_LIMIT")
    return params


def _is_e164(phone: str) -> bool:
    """Whether it is a phone with + and its country's code; of the mainland, a mobile."""
    try:
        msgspec.convert(phone, Annotated[str, Meta(pattern=_E164)])
    except msgspec.ValidationError:
        return False
    return not phone.startswith("+86") or (len(phone) == 14 and phone[3] == "1" and phone[4] in "3456789")


def _sent_since(db: sqlite3.Connection, phone: str, after: float, *, text: str = "", kind: str = "") -> int:
    """How many SMS went to the phone after that instant: of this text, of this kind of template, or all."""
    row = db.execute(
        "SELECT count(*) FROM sms WHERE phone = ? AND made_at > ? AND ? IN ('', text) AND ? IN ('', kind)",
        (phone, after, text, kind),
    ).fetchone()
    return int(row[0])


def _take(
    world: World, db: sqlite3.Connection, vendor: Vendor, ref: str, phone: str, template: Template, text: str,
    message_id: str,
) -> None:  # fmt: skip
    """The vendor has taken it: it is in the outbox, and the mall is owed the receipt."""
    now = world.clock()
    db.execute(
        "INSERT INTO sms VALUES (?, ?, ?, ?, ?, ?, ?)", (ref, vendor, message_id, phone, template.kind, text, now)
    )
    took(
        db, now, medium="sms", address=phone, purpose=PURPOSES[template.kind], template_id=template.template_id,
        text=f"【{SMS_SIGN}】{text}", message_id=message_id,
    )  # fmt: skip
    network = db.execute("SELECT delivered, code FROM sms_network WHERE phone = ?", (phone,)).fetchone()
    if world.sms_url is None or (network is not None and network["delivered"] is None):
        return
    sent = db.execute("SELECT * FROM sms WHERE ref = ?", (ref,)).fetchone()
    delivered, code = (True, "") if network is None else (bool(network["delivered"]), network["code"])
    pushes.owe(db, "sms", ref, _url(world, vendor), _receipt(sent, delivered, code, now), now)
    world.wake.set()


def _url(world: World, vendor: str) -> str:
    """Where the mall hears of SMS from this vendor, as the merchant has entered it in its console."""
    return f"{world.sms_url}/{vendor}?token={quote(world.keys.sms_callback_token, safe='')}"


def _receipt(sms: sqlite3.Row, delivered: bool, code: str, now: float) -> list[dict[str, Any]]:
    """A receipt as the SMS's vendor writes it."""
    word = code or _WORDS[sms["vendor"]][0 if delivered else 1]
    if sms["vendor"] == "tencent":
        country, mobile = _split(sms["phone"])
        return [
            {
                "user_receive_time": _beijing(now), "nationcode": country, "mobile": mobile,
                "report_status": "SUCCESS" if delivered else "FAIL", "errmsg": word, "description": word,
                "sid": sms["ref"],
            }
        ]  # fmt: skip
    return [
        {
            "phone_number": sms["phone"].removeprefix("+86").removeprefix("+"), "send_time": _beijing(sms["made_at"]),
            "report_time": _beijing(now), "success": delivered, "err_code": word, "err_msg": word, "sms_size": "1",
            "biz_id": sms["ref"], "out_id": sms["message_id"],
        }
    ]  # fmt: skip


def _split(phone: str) -> tuple[str, str]:
    """The country's code and the rest; of the few countries that tests know."""
    digits_only = phone.removeprefix("+")
    code = next((code for code in ("86", "852", "853", "886", "1") if digits_only.startswith(code)), digits_only[:2])
    return code, digits_only.removeprefix(code)


def _beijing(unix: float) -> str:
    return datetime.fromtimestamp(unix, UTC).astimezone(BEIJING).strftime("%Y-%m-%d %H:%M:%S")


def _reply(world: World, body: _Reply) -> dict[str, Any]:
    """Somebody writes back to what they were sent; the vendor that sent them the last SMS tells the mall."""
    now = world.clock()
    with world.store.transaction() as db:
        phone = body.number(db)
        row = db.execute("SELECT vendor FROM sms WHERE phone = ? ORDER BY rowid DESC LIMIT 1", (phone,)).fetchone()
    vendor = body.vendor or ("aliyun" if row is None else row["vendor"])
    country, mobile = _split(phone)
    told: Any = {
        "extend": "", "mobile": mobile, "nationcode": country, "sign": SMS_SIGN, "text": body.text, "time": int(now),
    }  # fmt: skip
    if vendor == "aliyun":
        told = [
            {
                "phone_number": phone.removeprefix("+86").removeprefix("+"), "send_time": _beijing(now),
                "content": body.text, "sign_name": SMS_SIGN, "dest_code": "1", "sequence_id": secrets.randbelow(10**9),
            }
        ]  # fmt: skip
    return _told(world, vendor, body.url, told)


def _tell_receipt(world: World, body: _Receipt) -> dict[str, Any]:
    """Tell the mall now what became of the last SMS with this number of the mall's, whatever it was told before; by
    itself the vendor says nothing of it any more."""
    with world.store.transaction() as db:
        sent = db.execute(
            "SELECT * FROM sms WHERE message_id = ? ORDER BY rowid DESC LIMIT 1", (body.message_id,)
        ).fetchone()
        if sent is None:
            raise Denied(404, "no SMS has this number")
        db.execute("DELETE FROM push WHERE number = ?", (sent["ref"],))
    told = _receipt(sent, body.delivered, body.code, world.clock())
    return _told(world, sent["vendor"], body.url, told)


def _told(world: World, vendor: str, url: str | None, body: Any) -> dict[str, Any]:
    """Tell the mall once; which vendor did, what it said, and what the mall answered."""
    said = {"vendor": vendor, "body": json.loads(json.dumps(body))}
    to = url or (None if world.sms_url is None else _url(world, vendor))
    if to is None:
        return {"status": None, **said}
    answer = pushes.tell(world, "sms", to, body)
    if answer is None:
        raise Denied(409, "the mall did not answer")
    return {"status": answer.status_code, "answer": answer.text, **said}
