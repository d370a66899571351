"""What vendors of SMS tell: believed by the token alone, read as the vendors' documents show it; and phones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core import phones as core_phones
from chalicelib.core import settings
from chalicelib.gateways.sms import phones, reports, service
from chalicelib.gateways.sms.errors import SmsError, SmsRejected
from chalicelib.gateways.sms.reports import Receipt, Reply

TOKEN = "a-token-that-nobody-knows"
TENCENT_RECEIPTS = [
    {
        "user_receive_time": "2015-10-17 08:03:04", "nationcode": "86", "mobile": "13812345678",
        "report_status": "SUCCESS", "errmsg": "DELIVRD", "description": "用户短信送达成功", "sid": "2640:1",
    },
    {
        "user_receive_time": "2015-10-17 08:03:05", "nationcode": "852", "mobile": "91234567",
        "report_status": "FAIL", "errmsg": "MK:0001", "description": "空号", "sid": "2640:2",
    },
]  # fmt: skip
TENCENT_REPLY = {
    "extend": "", "mobile": "13812345678", "nationcode": "86", "sign": "雨棠", "text": "R", "time": 1457336869,
}  # fmt: skip
ALIYUN_RECEIPTS = [
    {
        "phone_number": "13812345678", "send_time": "2017-01-01 00:00:00", "report_time": "2017-01-01 00:00:00",
        "success": True, "err_code": "DELIVERED", "err_msg": "用户接收成功", "sms_size": "1", "biz_id": "12345^0",
        "out_id": "m1",
    }
]  # fmt: skip
ALIYUN_REPLIES = [
    {
        "phone_number": "13812345678", "send_time": "2017-09-01 00:00:00", "content": "TD", "sign_name": "雨棠",
        "dest_code": "1234", "sequence_id": 1234567890,
    }
]  # fmt: skip


@pytest.fixture
def vendor() -> Iterator[Callable[[str], None]]:
    """This vendor sends SMS for the mall."""
    before = settings._environment

    def use(name: str) -> None:
        settings.use({**before, "YUTANG_SMS_VENDOR": name, "YUTANG_SMS_CALLBACK_TOKEN": TOKEN})

    yield use
    settings.use(before)


def read(name: str, told: Any, token: str = TOKEN) -> list[Receipt | Reply]:
    return reports.read(name, token, msgspec.json.encode(told))


def test_tencents_receipts_and_replies(vendor: Callable[[str], None]) -> None:
    vendor("tencent")
    assert read("tencent", TENCENT_RECEIPTS) == [
        Receipt(message_id="", ref="2640:1", phone="13812345678", delivered=True, code="DELIVRD"),
        Receipt(message_id="", ref="2640:2", phone="+85291234567", delivered=False, code="MK:0001"),
    ]
    assert read("tencent", TENCENT_REPLY) == [
        Reply(phone="13812345678", text="R", at=datetime(2016, 3, 7, 7, 47, 49, tzinfo=UTC))
    ]


def test_aliyuns_receipts_and_replies(vendor: Callable[[str], None]) -> None:
    vendor("aliyun")
    assert read("aliyun", ALIYUN_RECEIPTS) == [
        Receipt(message_id="m1", ref="12345^0", phone="13812345678", delivered=True, code="DELIVERED")
    ]
    assert read("aliyun", ALIYUN_REPLIES) == [
        Reply(phone="13812345678", text="TD", at=datetime(2017, 8, 31, 16, tzinfo=UTC))
    ]


@pytest.mark.parametrize(
    ("name", "token", "reason"),
    [
        ("aliyun", TOKEN, "vendor"),
        ("", TOKEN, "vendor"),
        ("tencent", TOKEN + "x", "token"),
        ("tencent", TOKEN[:-1], "token"),
        ("tencent", "", "token"),
        ("tencent", "ключ", "token"),
    ],
    ids=["another vendor", "none", "longer", "shorter", "empty", "foreign letters"],
)
def test_nobody_else_is_believed(vendor: Callable[[str], None], name: str, token: str, reason: str) -> None:
    vendor("tencent")
    with pytest.raises(SmsRejected) as caught:
        read(name, TENCENT_RECEIPTS, token)
    assert caught.value.reason == reason


@pytest.mark.parametrize("name", ["tencent", "aliyun"])
@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"1", b"[1]", b"{}", b'[{"phone_number": 1}]', b"\xff", b'[{"success": true}]', b'[{"text": "R"}]'],
    ids=lambda body: body.hex() or "empty",
)
def test_what_cannot_be_read_is_refused(vendor: Callable[[str], None], name: str, body: bytes) -> None:
    vendor(name)
    with pytest.raises(SmsRejected, match="malformed"):
        reports.read(name, TOKEN, body)


def test_an_instant_that_cannot_be_is_refused(vendor: Callable[[str], None]) -> None:
    vendor("tencent")
    with pytest.raises(SmsRejected, match="malformed"):
        read("tencent", TENCENT_REPLY | {"time": 10**30})
    vendor("aliyun")
    with pytest.raises(SmsRejected, match="malformed"):
        read("aliyun", [ALIYUN_REPLIES[0] | {"send_time": "yesterday"}])


@pytest.mark.parametrize(
    ("kept", "e164"),
    [
        ("13800138000", "+8613800138000"), ("+85291234567", "+85291234567"), ("021-12345678", None),
        ("17012345678-1234", None), ("4008208820", None), ("", None),
    ],
)  # fmt: skip
def test_only_mobiles_get_sms(kept: str, e164: str | None) -> None:
    assert phones.international(kept) == e164


@given(st.from_regex(r"1[3-9][0-9]{9}|\+(852[5-9][0-9]{7}|1[2-9][0-9]{9}|44[1-9][0-9]{9})", fullmatch=True))
def test_a_phone_is_kept_in_one_form_however_a_vendor_writes_it(phone: str) -> None:
    number = phones.international(phone)
    assert number is not None
    assert phones.kept(number) == core_phones.normal(phone) == phone
    if not phone.startswith("+1"):  # bare, that may look like a mobile of the mainland
        assert phones.kept(number.removeprefix("+")) == phone
    if not phone.startswith("+"):
        assert phones.kept(phone) == phones.kept(phone, "86") == phone
    if phone.startswith("+852"):
        assert phones.kept(phone.removeprefix("+852"), "852") == phone


def test_nothing_is_sent_without_a_vendor_or_to_a_landline(vendor: Callable[[str], None]) -> None:
    for name, phone, code in (("", "13800138000", "no_vendor"), ("tencent", "021-12345678", "not_a_mobile")):
        vendor(name)
        with pytest.raises(SmsError, match=code) as caught:
            service.send(phone, "SMS_1", {}, "m1")
        assert (caught.value.passing, caught.value.outcome_unknown) == (False, False)
