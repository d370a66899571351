"""Who is one guesser, how long guessers wait, which names look alike, and which passwords nobody may choose."""

from __future__ import annotations

import secrets
import string

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from chalicelib.mall.operators.access.common_passwords import COMMON
from chalicelib.mall.operators.access.rules import crowd_seconds, is_listed, network, password_fault
from chalicelib.mall.operators.rules import look
from chalicelib.mall.operators.sessions import rules as sessions

NAMES = st.text(string.ascii_letters + string.digits + "-_", min_size=1, max_size=32)


@pytest.mark.parametrize(
    ("address", "guesser"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2::1", "2001:db8:1:2::"),
        ("2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::"),
        ("2001:db8:1:3::1", "2001:db8:1:3::"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("", "unknown"),
        ("somewhere", "unknown"),
    ],
)
def test_one_guesser(address: str, guesser: str) -> None:
    assert network(address) == guesser


@given(st.ip_addresses())
def test_what_is_one_guesser_stays_one(address: object) -> None:
    assert network(network(str(address))) == network(str(address)) != "unknown"


def test_a_crowd_makes_its_members_wait_up_to_ten_minutes() -> None:
    told = [crowd_seconds(failures) for failures in (-1, 0, 19, 20, 39, 40, 60, 80, 100, 120, 10**9)]
    assert told == [0, 0, 0, 30, 30, 60, 120, 240, 480, 600, 600]


@given(st.integers(0, 1000))
def test_more_failures_never_shorten_the_wait(failures: int) -> None:
    assert crowd_seconds(failures) <= crowd_seconds(failures + 1) <= 600


def test_what_is_listed() -> None:
    assert [in_a_row for in_a_row in range(1, 9) if is_listed(in_a_row, 0)] == [1, 2, 3, 4, 5]
    assert is_listed(1, 100) and not is_listed(1, 101)


@pytest.mark.parametrize(
    ("name", "alike"),
    [
        ("admin", ("Admin", "ADMIN", "aDmin", "adm1n", "admln", "admin-", "-admin", "ad_min", "adrnin", "ADMlN")),
        ("bob", ("B0B", "808", "b-o-b")),
        ("lisa5", ("1isas", "LI5A5")),
        ("wang", ("vvang", "VvANG")),
        ("liz", ("l12", "Li2")),
    ],
)
def test_names_that_look_alike(name: str, alike: tuple[str, ...]) -> None:
    assert {look(each) for each in alike} == {look(name)}


@pytest.mark.parametrize("other", ["admins", "adam", "nimda", "root", "admin3", "a"])
def test_names_that_do_not(other: str) -> None:
    assert look(other) != look("admin")


@given(NAMES)
def test_case_hyphens_and_underscores_are_not_seen(name: str) -> None:
    assert look(name) == look(name.upper()) == look(f"-{name}_") == look(name.swapcase())


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("password1234", "common_password"),
        ("PASSWORD1234", "common_password"),
        (" 1qaz2wsx3edc ", "common_password"),
        ("manchesterunited", "common_password"),
        ("boss is the best", "has_name"),
        ("my BOSS at work", "has_name"),
        ("bossbossboss", "has_name"),
        ("            ", "too_simple"),
        ("aaaaaaaaaaaa", "too_simple"),
        ("AAAAaaaaAAAA", "too_simple"),
        ("abababababab", "too_simple"),
        ("passwordpassword", "too_simple"),
        ("correct horse correct horse ", "too_simple"),
        ("123456789012", "too_simple"),
        ("321098765432", "too_simple"),
        ("abcdefghijkl", "too_simple"),
        ("abcdef123456", "too_simple"),
        ("1111222233334444", "too_simple"),
        ("poiuytrewqasdfgh", "too_simple"),
        ("   abcde    ", "too_simple"),
        ("鱼鱼鱼鱼鱼鱼鱼鱼鱼鱼鱼鱼", "too_simple"),
    ],
)
def test_passwords_that_are_guessed_first(password: str, code: str) -> None:
    fault = password_fault(password, "boss")
    assert fault is not None and fault.code == code


@pytest.mark.parametrize(
    "password",
    [
        "long enough for anyone",
        "correct horse battery",
        "xK9#mQ2$vL7!",
        "我家的猫喜欢睡在窗台上面",
        "an apple a day 42",
    ],
)
def test_passwords_that_are_not(password: str) -> None:
    assert password_fault(password, "boss") is None
    assert password_fault(password, "an") is None  # a short name is in many words


def test_a_short_name_is_not_most_of_a_password() -> None:
    fault = password_fault("li-li-li-xy9", "li")
    assert fault is not None and fault.code == "has_name"


@given(NAMES, st.sampled_from(sorted(COMMON)))
def test_no_common_one_goes_through_whatever_its_case(name: str, password: str) -> None:
    for each in (password, password.upper(), password.title(), f" {password}"):
        assert password_fault(each, name) is not None


@given(NAMES, st.integers(1, 20))
def test_the_name_again_and_again_is_refused(name: str, times: int) -> None:
    assume(len(name) * times >= 12)
    assert password_fault(name * times, name) is not None
    assert password_fault((name * times).swapcase(), name) is not None


def test_random_passwords_are_taken() -> None:
    for _ in range(2000):
        assert password_fault(secrets.token_urlsafe(12), "boss") is None


def test_the_list_is_of_passwords_that_could_be_chosen() -> None:
    assert len(COMMON) == 182
    assert all(len(each) >= 12 and each == each.casefold() for each in COMMON)


def test_cookies() -> None:
    name = sessions.device_cookie("boss", True)
    assert name.startswith("__Host-yutang-device-") and "boss" not in name
    assert sessions.device_cookie("ann", True) != name != sessions.device_cookie("boss", False)
    header = f"a=1; {name}=v.a-l_ue; x{name}=no"
    assert sessions.cookie(header, name) == "v.a-l_ue"
    assert sessions.cookie(header, "b") == sessions.cookie("", "b") == ""
    assert sessions.set_cookie("a", "b", 5, True) == "a=b; Path=/; Max-Age=5; HttpOnly; SameSite=Strict; Secure"


@pytest.mark.parametrize(
    ("origin", "host", "https", "own"),
    [
        ("https://mall.example.com", "mall.example.com", True, True),
        ("https://MALL.example.com", "mall.example.com", True, True),
        ("http://mall.example.com", "mall.example.com", True, False),
        ("http://127.0.0.1:8000", "127.0.0.1:8000", False, True),
        ("http://127.0.0.1:8001", "127.0.0.1:8000", False, False),
        ("https://mall.example.com.evil.example", "mall.example.com", True, False),
        ("https://", "", True, False),
        ("null", "mall.example.com", True, False),
        ("", "mall.example.com", True, False),
    ],
)
def test_a_page_of_the_mall_s_own(origin: str, host: str, https: bool, own: bool) -> None:
    assert sessions.is_own_page(origin, host, https) is own
