"""Login, tokens, phone numbers, shipping and codes: what the mini-program's client promises, against the sandbox."""

from __future__ import annotations

import zlib
from typing import Any

import pytest
import requests

from chalicelib.core import clock
from chalicelib.core.errors import MallError
from chalicelib.gateways.wechat import http, mini
from tests.wechat_fixtures import Wechat, refused


def test_the_same_user_is_the_same_openid_and_others_are_others(wechat: Wechat) -> None:
    assert wechat.openid("anna") == wechat.openid("anna") != wechat.openid("bert")


def test_a_login_code_works_once(wechat: Wechat) -> None:
    code = wechat.control("login", {"user": "anna"})["code"]
    mini.code2session(code)
    with pytest.raises(MallError, match="wechat_code_used"):
        mini.code2session(code)


def test_a_login_code_lives_for_five_minutes(wechat: Wechat) -> None:
    code = wechat.control("login", {"user": "anna"})["code"]
    wechat.clock.advance(301)
    with pytest.raises(MallError, match="wechat_code_invalid"):
        mini.code2session(code)
    with pytest.raises(MallError, match="wechat_code_invalid"):
        mini.code2session("made up & odd?")


def test_a_login_whose_reply_is_lost_is_not_tried_again(wechat: Wechat, short_time_outs: None) -> None:
    code = wechat.control("login", {"user": "anna"})["code"]
    wechat.fault("/sns/jscode2session", "timeout_after_effect", seconds=1.5)
    lost = refused(lambda: mini.code2session(code))
    assert (lost.code, lost.outcome_unknown, lost.retryable) == ("read_timeout", True, False)
    with pytest.raises(MallError, match="wechat_code_used"):
        mini.code2session(code)


def test_a_busy_wechat_may_be_asked_again(wechat: Wechat) -> None:
    code = wechat.control("login", {"user": "anna"})["code"]
    wechat.fault("/sns/", "error")
    assert refused(lambda: mini.code2session(code)).retryable
    assert mini.code2session(code).openid


def test_a_wrong_secret_or_appid_is_told_apart_from_a_wrong_code(wechat: Wechat) -> None:
    ask = f"{wechat.url}/sns/jscode2session?js_code=x&grant_type=authorization_code"
    right, secret = wechat.keys.appid, wechat.keys.app_secret
    assert requests.get(f"{ask}&appid=wx0&secret={secret}", timeout=5).json()["errcode"] == 40013
    assert requests.get(f"{ask}&appid={right}&secret=no", timeout=5).json()["errcode"] == 40125


# --- access token, phone, shipping ----------------------------------------------------------------


def test_a_token_is_kept_until_five_minutes_before_its_end(wechat: Wechat) -> None:
    first = mini.account.access_token()
    wechat.fault("/cgi-bin/stable_token", "error")  # would be met if it asked
    assert mini.account.access_token() == first
    wechat.clock.advance(7200 - 299)
    assert refused(mini.account.access_token).code == "-1"
    assert mini.account.access_token() != first


def test_a_token_that_wechat_forgot_is_fetched_again_once(wechat: Wechat) -> None:
    stale = mini.account.access_token()
    wechat.control("reset", {})
    code = wechat.control("phone", {"user": "anna", "phone": "13912345678"})["code"]
    assert mini.phone_number(code, wechat.openid("anna")) == "13912345678"
    assert mini.account.access_token() != stale


def test_a_phone_code_is_for_its_shopper_and_no_login_code(wechat: Wechat) -> None:
    anna, bert = wechat.openid("anna"), wechat.openid("bert")
    for code in (
        wechat.control("phone", {"user": "bert"})["code"],
        wechat.control("login", {"user": "anna"})["code"],
    ):
        with pytest.raises(MallError, match="wechat_code_invalid"):
            mini.phone_number(code, anna)
    with pytest.raises(MallError, match="wechat_code_invalid"):
        mini.code2session(wechat.control("phone", {"user": "bert"})["code"])
    assert mini.phone_number(wechat.control("phone", {"user": "bert"})["code"], bert).startswith("138")


def test_shipping_is_reported_once_however_often_it_is_told(wechat: Wechat) -> None:
    body = wechat.paid()
    parcel = mini.Parcel("ZTO", "776655")

    def report(*parcels: mini.Parcel, done: bool = True) -> None:
        mini.report_shipping(body.out_trade_no, body.openid, "茶" * 200, parcels, done, clock.now())

    report(parcel, done=False)
    report(parcel, mini.Parcel("SF", "SF1", "138****0000"))
    for _ in range(2):
        report(parcel, mini.Parcel("SF", "SF1", "138****0000"))  # nothing new
    report(parcel)  # shipped again, which WeChat allows once
    report(mini.Parcel("STO", "1"))  # and once more: nothing is left to tell


def test_a_correction_that_wechat_takes_no_more_is_an_error_for_a_person(wechat: Wechat) -> None:
    body = wechat.paid()

    def report(number: str, corrected: bool) -> None:
        parcels = [mini.Parcel("ZTO", number)]
        mini.report_shipping(body.out_trade_no, body.openid, "茶", parcels, True, clock.now(), corrected)

    report("1", False)
    for _ in range(2):
        report("2", True)  # told, and told again: nothing new
    report("3", False)
    lost = refused(lambda: report("3", True))
    assert (lost.code, lost.retryable) == ("10060003", False)


def test_shipping_of_a_payment_that_wechat_does_not_see_is_tried_again(wechat: Wechat) -> None:
    body, _ = wechat.prepaid()
    unseen = refused(
        lambda: mini.report_shipping(body.out_trade_no, body.openid, "茶", [mini.Parcel("ZTO", "1")], True, clock.now())
    )
    assert (unseen.code, unseen.retryable) == ("10060001", True)


def test_shipping_to_another_openid_is_an_error_for_a_person(wechat: Wechat) -> None:
    body = wechat.paid()
    wrong = refused(
        lambda: mini.report_shipping(body.out_trade_no, "o-else", "茶", [mini.Parcel("ZTO", "1")], True, clock.now())
    )
    assert (wrong.code, wrong.retryable) == ("10060031", False)


# --- codes to scan --------------------------------------------------------------------------------


def chunks(png: bytes) -> dict[bytes, bytes]:
    """The chunks of a PNG by their names; each must be whole."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    found, rest = {}, png[8:]
    while rest:
        size = int.from_bytes(rest[:4], "big")
        name, data, check = rest[4:8], rest[8 : 8 + size], rest[8 + size : 12 + size]
        assert zlib.crc32(name + data) == int.from_bytes(check, "big")
        found[name], rest = data, rest[12 + size :]
    return found


def test_a_code_is_a_picture_which_is_another_one_for_another_scene_or_page(wechat: Wechat) -> None:
    image, content_type = mini.code_image("Az09!#$&'()*+,/:;=?@-._~", "pages/product/product")
    assert content_type == "image/png"
    parts = chunks(image)
    assert (int.from_bytes(parts[b"IHDR"][:4], "big"), int.from_bytes(parts[b"IHDR"][4:8], "big")) == (430, 430)
    assert len(zlib.decompress(parts[b"IDAT"])) == 430 * 431
    again = mini.code_image("Az09!#$&'()*+,/:;=?@-._~", "pages/product/product")
    others = [mini.code_image("t1", "pages/product/product"), mini.code_image("t1", "pages/index/index")]
    assert again == (image, content_type)
    assert len({image, *(other for other, _ in others)}) == 3


@pytest.mark.parametrize(
    ("scene", "page", "code"),
    [
        ("", "pages/index", "40169"),
        ("x" * 33, "pages/index", "40169"),
        ("茶", "pages/index", "40129"),
        ("a b", "pages/index", "40129"),
        ("100%", "pages/index", "40129"),
        ("t", "/pages/index", "41030"),
        ("t", "pages/index?a=1", "41030"),
    ],
)
def test_a_code_that_wechat_does_not_make_is_an_error_for_a_person(
    wechat: Wechat, scene: str, page: str, code: str
) -> None:
    error = refused(lambda: mini.code_image(scene, page))
    assert (error.code, error.retryable, error.outcome_unknown) == (code, False, False)


def test_a_code_survives_a_token_that_wechat_forgot_and_a_busy_wechat(wechat: Wechat) -> None:
    stale = mini.account.access_token()
    wechat.control("reset", {})
    assert mini.code_image("t1", "pages/index")[0]
    assert mini.account.access_token() != stale
    wechat.fault("/wxa/getwxacodeunlimit", "error")
    busy = refused(lambda: mini.code_image("t1", "pages/index"))
    assert (busy.code, busy.retryable) == ("-1", True)


def test_only_an_image_is_a_code(wechat: Wechat, monkeypatch: pytest.MonkeyPatch) -> None:
    mini.account.access_token()

    def answered(body: bytes) -> Any:
        monkeypatch.setattr(http, "send", lambda *_: http.Reply(200, {"Content-Type": "image/png"}, body))
        return mini.code_image("t1", "pages/index")

    assert answered(b"\xff\xd8\xff\xe0JFIF") == (b"\xff\xd8\xff\xe0JFIF", "image/jpeg")
    for body in (b"", b"<html>", b"GIF89a", b"{}", b'{"errcode":0}', b"[]"):
        error = refused(lambda body=body: answered(body))
        assert (error.code, error.retryable) == ("reply_malformed", True)
