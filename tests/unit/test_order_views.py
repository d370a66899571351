"""What operators who send no parcels see of a receiver: no phone, however it is written."""

from __future__ import annotations

import msgspec
import pytest

from chalicelib.commerce.orders.views import admin_view
from tests.support.orders import line, order


@pytest.mark.parametrize(
    "phone",
    [
        "13800138000", "138 0013 8000", "138-0013-8000", "138.0013.8000", "(138)0013_8000", "138—0013—8000",
        "138,0013,8000", "138 0013  8000", "１３８００１３８０００", "138\u200b0013\u200b8000", "+86 (138) - 00138000",
    ],
)  # fmt: skip
def test_no_phone_is_left_in_a_text(phone: str) -> None:
    shown = admin_view(msgspec.structs.replace(order(line("a", 1, 100)), remark=f"电话{phone}谢谢"), ())
    assert not [sign for sign in shown.remark if sign.isdecimal()]
    assert (shown.remark[:2], shown.remark[-2:]) == ("电话", "谢谢")


@pytest.mark.parametrize("text", ["3 件，共 12.50 元", "第 2 号店 5 楼 301", "退 100000 分"])
def test_short_numbers_stay(text: str) -> None:
    assert admin_view(msgspec.structs.replace(order(line("a", 1, 100)), remark=text), ()).remark == text


@pytest.mark.parametrize(
    ("phone", "shown"),
    [("13800138064", "***8064"), ("021-1234567-801", "***7801"), ("021-8 0-6-4", "***8064"), ("", "")],
)
def test_of_a_phone_the_last_four_digits_are_shown(phone: str, shown: str) -> None:
    found = order(line("a", 1, 100))
    found = msgspec.structs.replace(found, address=msgspec.structs.replace(found.address, phone=phone))
    assert admin_view(found, ()).address.phone == shown
