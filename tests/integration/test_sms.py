"""SMS by each of the two vendors, against the sandbox: sent, or refused in the vendor's words; receipts and replies."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from chalicelib.core import settings
from chalicelib.gateways.sms import aliyun, http, reports, service, tencent
from chalicelib.gateways.sms.errors import SmsError
from chalicelib.gateways.sms.reports import Receipt, Reply
from local.client import poll
from local.keys import SMS_SIGN, sms_environment
from tests import wechat_fixtures
from tests.wechat_fixtures import Wechat

VENDORS = ["tencent", "aliyun"]
PHONE = "13900001111"
#: For each vendor: a template of two variables, one of none, and how its refusals are called.
SHIPPED = {"tencent": "1002", "aliyun": "SMS_1002"}
PLAIN = {"tencent": "2002", "aliyun": "SMS_2002"}
VALUES = {"tencent": {"1": "o1", "2": "12.50"}, "aliyun": {"order": "o1", "amount": "12.50"}}
TEXT = f"【{SMS_SIGN}】您的订单o1已退款12.50元。"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wechat]:
    """A sandbox that tells the merchant's server by itself."""
    with wechat_fixtures.wechat(tmp_path_factory.mktemp("wechat"), told=True) as started:
        yield started


@pytest.fixture(params=VENDORS)
def vendor(request: pytest.FixtureRequest, wechat: Wechat) -> Iterator[str]:
    """The vendor that sends for the mall."""
    before = settings._environment
    settings.use({**before, **sms_environment(wechat.keys, wechat.url, request.param)})
    yield request.param
    settings.use(before)


@pytest.fixture
def changed() -> Iterator[Callable[..., None]]:
    """Changes settings of SMS for this test."""
    before = settings._environment

    def change(**values: str) -> None:
        told = {f"YUTANG_SMS_{name.upper()}": value for name, value in values.items()}
        settings.use({**settings._environment, **told})

    yield change
    settings.use(before)


def send(vendor: str, message_id: str = "m1", phone: str = PHONE, **other: Any) -> str:
    values: Mapping[str, str] = other.get("values", VALUES[vendor])
    return service.send(phone, other.get("template", SHIPPED[vendor]), values, message_id)


def refusal(call: Callable[[], Any]) -> tuple[str, bool, bool]:
    with pytest.raises(SmsError) as caught:
        call()
    return caught.value.code, caught.value.retryable, caught.value.outcome_unknown


def outbox(wechat: Wechat) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = wechat.control("outbox")["items"]
    return [{name: value for name, value in item.items() if name != "at"} for item in items]


def heard(wechat: Wechat) -> list[Receipt | Reply]:
    """What the merchant's server was told, read by the mall's own client."""
    found: list[Receipt | Reply] = []
    for headers, body in wechat.merchant.calls:
        address = urlsplit(headers[":path"])
        name = address.path.removeprefix("/sms/")
        found += reports.read(name, parse_qs(address.query)["token"][0], body)
    return found


def test_a_message_is_sent_and_its_receipt_comes(wechat: Wechat, vendor: str) -> None:
    wechat.merchant.answers[:] = [200, 200]
    ref = send(vendor)
    assert outbox(wechat) == [
        {
            "medium": "sms", "to": f"+86{PHONE}", "purpose": "transactional", "template_id": SHIPPED[vendor],
            "text": TEXT, "message_id": "m1",
        }
    ]  # fmt: skip
    wechat.clock.advance(2)
    word, number = {"tencent": ("DELIVRD", ""), "aliyun": ("DELIVERED", "m1")}[vendor]
    receipt = Receipt(message_id=number, ref=ref, phone=PHONE, delivered=True, code=word)
    assert poll(lambda: heard(wechat)) == [receipt]
    wechat.clock.advance(1000)
    again = send(vendor, "m2")
    wechat.clock.advance(2)
    told = poll(lambda: heard(wechat)[1:])  # what was answered is not told again
    assert [one.ref for one in told if isinstance(one, Receipt)] == [again]


def test_a_receipt_comes_again_until_it_is_answered(wechat: Wechat, vendor: str) -> None:
    wechat.merchant.answers[:] = [500, 200]
    send(vendor)
    wechat.clock.advance(2)
    poll(lambda: len(heard(wechat)) == 1)
    wechat.clock.advance(61)
    poll(lambda: len(heard(wechat)) == 2)


def test_the_network_may_not_deliver_or_say_nothing(wechat: Wechat, vendor: str) -> None:
    wechat.control("sms/network", {"phone": PHONE, "delivered": False, "code": "MK:0001"})
    wechat.control("sms/network", {"phone": "13900002222", "delivered": None})
    ref = send(vendor)
    send(vendor, "m2", "13900002222")
    wechat.clock.advance(2)
    (receipt,) = poll(lambda: heard(wechat))
    assert isinstance(receipt, Receipt)
    assert (receipt.ref, receipt.delivered, receipt.code) == (ref, False, "MK:0001")
    told = wechat.control("sms/receipt", {"message_id": "m2", "delivered": True})
    assert (told["status"], told["vendor"]) == (204, vendor)
    assert [one.delivered for one in heard(wechat) if isinstance(one, Receipt)] == [False, True]
    wechat.control("sms/receipt", {"message_id": "m3", "delivered": True}, status=404)


def test_people_reply(wechat: Wechat, vendor: str) -> None:
    wechat.control("phone", {"user": "anna", "phone": PHONE})
    send(vendor)
    assert outbox(wechat)[0]["to"] == "anna"
    for who in ({"user": "anna"}, {"phone": PHONE}):
        assert wechat.control("sms/reply", {**who, "text": "R"})["status"] == 204
    replies = [one for one in heard(wechat) if isinstance(one, Reply)]
    assert [(one.phone, one.text) for one in replies] == [(PHONE, "R"), (PHONE, "R")]
    assert all(abs(one.at.timestamp() - wechat.clock()) < 60 for one in replies)
    wechat.control("sms/reply", {"text": "R"}, status=400)


def test_what_a_template_is_for_is_seen_in_the_outbox(wechat: Wechat, vendor: str) -> None:
    send(vendor, template=PLAIN[vendor], values={})
    assert outbox(wechat)[0]["purpose"] == "marketing"


def test_a_phone_of_elsewhere(wechat: Wechat, vendor: str) -> None:
    send(vendor, phone="+85291234567")
    assert outbox(wechat)[0]["to"] == "+85291234567"
    wechat.clock.advance(2)
    (receipt,) = poll(lambda: heard(wechat))
    assert receipt.phone == "+85291234567"


REFUSALS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "no such template": (
        "FailedOperation.TemplateIncorrectOrUnapproved", "isv.SMS_TEMPLATE_ILLEGAL", {"template": "made-up"},
    ),
    "a variable less": (
        "FailedOperation.TemplateParamSetNotMatchApprovedTemplate", "isv.TEMPLATE_MISSING_PARAMETERS",
        {"values": {"1": "o1"}},
    ),
    "no such mobile": ("InvalidParameterValue.IncorrectPhoneNumber", "isv.MOBILE_NUMBER_ILLEGAL", {"phone": "+8612"}),
}  # fmt: skip


@pytest.mark.parametrize("case", list(REFUSALS))
def test_what_a_vendor_does_not_take(wechat: Wechat, vendor: str, case: str) -> None:
    of_tencent, of_aliyun, other = REFUSALS[case]
    if case == "no such mobile":  # the mall itself would not send there
        module = {"tencent": tencent, "aliyun": aliyun}[vendor]
        said = refusal(lambda: module.send("+8621", SHIPPED[vendor], VALUES[vendor], "m1"))
    else:
        said = refusal(lambda: send(vendor, **other))
    assert said == (of_tencent if vendor == "tencent" else of_aliyun, False, False)
    assert outbox(wechat) == []


@pytest.mark.parametrize("vendor", ["aliyun"], indirect=True)
def test_what_only_aliyun_can_find_wrong(wechat: Wechat, vendor: str) -> None:
    more = {**VALUES["aliyun"], "more": "x"}
    assert refusal(lambda: send(vendor, values=more))[0] == "isv.TEMPLATE_PARAMS_ILLEGAL"
    long = {"order": "o" * 36, "amount": "1"}
    assert refusal(lambda: send(vendor, values=long))[0] == "isv.PARAM_LENGTH_LIMIT"


@pytest.mark.parametrize("vendor", ["tencent"], indirect=True)
def test_tencents_variables_have_numbers(wechat: Wechat, vendor: str) -> None:
    content = "".join(f"{{{number}}} " for number in range(1, 12))
    wechat.control("templates", {"medium": "sms", "template_id": "11", "content": content})
    values = {str(number): f"v{number}" for number in (10, 2, 1, 11, 3, 4, 5, 6, 7, 8, 9)}
    send(vendor, template="11", values=values)
    assert outbox(wechat)[0]["text"].split() == [f"【{SMS_SIGN}】v1", *(f"v{number}" for number in range(2, 12))]


@pytest.mark.parametrize("what", ["key_id", "key", "sign", "app_id"])
def test_who_the_vendor_does_not_know(wechat: Wechat, vendor: str, changed: Callable[..., None], what: str) -> None:
    changed(**{what: "another"})
    code = {
        "key_id": ("AuthFailure.SecretIdNotFound", "InvalidAccessKeyId.NotFound"),
        "key": ("AuthFailure.SignatureFailure", "SignatureDoesNotMatch"),
        "sign": ("FailedOperation.SignatureIncorrectOrUnapproved", "isv.SMS_SIGNATURE_ILLEGAL"),
        "app_id": ("InvalidParameterValue.SdkAppIdNotExist", None),
    }[what][VENDORS.index(vendor)]
    if code is None:
        send(vendor)  # Aliyun has none
    else:
        assert refusal(lambda: send(vendor)) == (code, False, False)
        assert outbox(wechat) == []


def test_an_old_call_is_not_believed(wechat: Wechat, vendor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[tuple[Any, ...]] = []
    post = http.post

    def keep(*call: Any) -> http.Reply:
        kept.append(call)
        return post(*call)

    monkeypatch.setattr(http, "post", keep)
    send(vendor)
    url, query, headers, body = kept[0]
    address = f"{url}/?{query}" if query else f"{url}/"

    def again(**other: str) -> str:
        return requests.post(address, data=body, headers={**headers, **other}, timeout=5).text

    if vendor == "aliyun":
        assert "SignatureNonceUsed" in again()
        changed = again(**{"x-acs-signature-nonce": "another"})
        assert "SignatureDoesNotMatch" in changed
    wechat.clock.advance(1000)
    assert {"tencent": "AuthFailure.SignatureExpire", "aliyun": "InvalidTimeStamp.Expired"}[vendor] in again()
    unsigned = {"tencent": "AuthFailure.InvalidAuthorization", "aliyun": "IncompleteSignature"}[vendor]
    assert unsigned in again(Authorization="")
    assert len(outbox(wechat)) == 1


def test_one_phone_gets_only_so_many(wechat: Wechat, vendor: str) -> None:
    template = {"tencent": "{1}", "aliyun": "${code}"}[vendor]
    name = {"tencent": "1", "aliyun": "code"}[vendor]
    wechat.control("templates", {"medium": "sms", "template_id": "code", "content": template, "kind": "code"})

    def sent(text: str) -> str:
        return send(vendor, template="code", values={name: text})

    sent("0000")
    soon = {"tencent": "LimitExceeded.PhoneNumberThirtySecondLimit", "aliyun": "isv.BUSINESS_LIMIT_CONTROL"}[vendor]
    assert refusal(lambda: sent("0000")) == (soon, True, False)
    for number in range(1, 10):
        wechat.clock.advance(1000)
        sent(f"{number:04d}")
    wechat.clock.advance(1000)
    daily = {"tencent": ("LimitExceeded.PhoneNumberDailyLimit", False, False), "aliyun": (soon, True, False)}[vendor]
    assert refusal(lambda: sent("9999")) == daily
    send(vendor, phone="13900002222", template="code", values={name: "9999"})
    wechat.clock.advance(86_400)
    sent("9999")


def test_a_lost_answer_leaves_it_unknown_and_nothing_is_sent_again(
    wechat: Wechat, vendor: str, changed: Callable[..., None]
) -> None:
    changed(read_seconds="1")
    wechat.fault(f"/sms/{vendor}", "timeout_after_effect", seconds=1.5)
    assert refusal(lambda: send(vendor)) == ("read_timeout", False, True)
    assert len(outbox(wechat)) == 1


def test_a_vendor_that_is_busy_or_refuses_in_another_word(wechat: Wechat, vendor: str) -> None:
    wechat.fault(f"/sms/{vendor}", "error")
    busy = {"tencent": "RequestLimitExceeded", "aliyun": "isp.SYSTEM_ERROR"}[vendor]
    assert refusal(lambda: send(vendor)) == (busy, True, False)
    wechat.fault(f"/sms/{vendor}", "error", code="isv.AMOUNT_NOT_ENOUGH")
    assert refusal(lambda: send(vendor)) == ("isv.AMOUNT_NOT_ENOUGH", False, False)
    broken = {"tencent": ("InternalError.Timeout", False, True), "aliyun": ("Throttling.User", True, False)}[vendor]
    wechat.fault(f"/sms/{vendor}", "error", code=broken[0])
    assert refusal(lambda: send(vendor)) == broken
    assert outbox(wechat) == []


def test_a_vendor_that_is_not_there(wechat: Wechat, vendor: str, changed: Callable[..., None]) -> None:
    changed(url="http://127.0.0.1:9")
    assert refusal(lambda: send(vendor)) == ("connect_failed", True, False)


def test_no_error_names_the_phone_or_a_key(wechat: Wechat, vendor: str, changed: Callable[..., None]) -> None:
    said = []
    for url in (f"{wechat.url}/sms/{vendor}", "http://127.0.0.1:9"):
        changed(url=url)
        with pytest.raises(SmsError) as caught:
            send(vendor, template="made-up")
        said += [str(caught.value), repr(vars(caught.value)), repr(caught.value.__cause__)]
    for hidden in (PHONE, wechat.keys.sms_key, wechat.keys.sms_key_id, wechat.keys.sms_callback_token):
        assert not any(hidden in text for text in said)
