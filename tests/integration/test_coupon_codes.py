"""Codes: exported once, redeemed once, not to be guessed; and guessers hinder nobody but themselves."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from chalicelib.commerce.coupons.codes import guesses
from chalicelib.commerce.coupons.codes import rules as code_text
from chalicelib.commerce.coupons.codes import service as codes
from chalicelib.commerce.coupons.inputs import TemplateChangeInput
from chalicelib.commerce.coupons.rules import (
    GUESS_PRESSURE,
    GUESS_SECONDS,
    GUESSES_MAX,
    GUESSES_UNDER_PRESSURE,
    PRESSURE_SECONDS,
    Held,
    Template,
)
from chalicelib.commerce.coupons.tables import CouponCounters, Coupons, guesses_key, guesses_of, window_key
from chalicelib.commerce.coupons.templates import service as templates
from chalicelib.core import clock
from chalicelib.mall.operators.access import passwords
from chalicelib.platform.store import cache, read
from chalicelib.platform.store.transaction import remove
from local.client import Client, in_process
from local.client import coupon_template as body
from tests.support.coupons import at_once, coupons_of, crowd, figures, fresh, member, shopper, template, told
from tests.support.operators import owner_token
from tests.support.outside import boundary

PATH = "/v1/admin/coupon-templates"


@pytest.fixture(autouse=True)
def nobody_has_guessed(dynamodb: str) -> None:
    fresh()
    window = clock.unix() // PRESSURE_SECONDS
    for shard in range(guesses._SHARDS):
        for each in (window - 1, window):
            remove(*window_key(each, shard))
    cache.forget("coupon-guesses")


@pytest.fixture(scope="module")
def operator(dynamodb: str) -> Iterator[Client]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_COST", 16)
        yield Client(in_process(), owner_token())


def coded(**more: Any) -> Template:
    return template(**{"how": ["code"], "total": 1000, "limit_per_member": 100, **more})


def wrong(batch_of: str) -> str:
    """A code that looks like one of the same batch."""
    code = code_text.read(batch_of)
    assert code is not None
    return code_text.write(msgspec.structs.replace(code, mac=secrets.randbits(code_text.MAC_BITS)))


def tried(member_id: str, text: str) -> Held | str:
    return told(lambda: codes.redeem(member_id, text))


def wrong_of(member_id: str) -> int:
    return guesses_of(read.get(Coupons, *guesses_key(member_id)[1])).wrong_codes


def test_a_code_is_good_once_whoever_comes_at_once() -> None:
    made = coded()
    code = codes.make(made.template_id, 1).codes[0]
    people = crowd(10)
    answers = at_once(lambda each: codes.redeem(each, code), people + people, threads=20)
    assert Counter(each if isinstance(each, str) else "got" for each in answers) == {"got": 1, "code_used": 19}
    assert sum(len(coupons_of(each)) for each in people) == 1
    assert figures(made) == (1, 999)
    assert sum(wrong_of(each) for each in people) == 0


def test_each_code_of_a_batch_is_another_and_is_good(operator: Client) -> None:
    made = coded()
    answer = operator.post(f"{PATH}/{made.template_id}/codes", {"count": 20}).ok(201)
    assert len(set(answer["codes"])) == 20
    somebody = shopper(member())
    got = [
        somebody.post("/v1/coupon-codes/redeem", {"code": typed}).ok(201)["coupon_id"]
        for typed in (
            answer["codes"][0],
            answer["codes"][1].lower(),
            answer["codes"][2].replace("-", ""),
            f" {answer['codes'][3].replace('-', ' ')} ",
        )
    ]
    assert len(set(got)) == 4
    used = somebody.post("/v1/coupon-codes/redeem", {"code": answer["codes"][0]}).refused(409, "code_used")
    assert used["errors"][0]["code"] == "code_redeemed_by_you"
    used = shopper(member()).post("/v1/coupon-codes/redeem", {"code": answer["codes"][0]}).refused(409, "code_used")
    assert used["detail"] == "这个兑换码已被使用，请换一个"
    unknown = somebody.post("/v1/coupon-codes/redeem", {"code": wrong(answer["codes"][5])}).refused(404, "code_unknown")
    assert unknown["detail"] == "兑换码不正确，请核对后重新输入"
    somebody.post("/v1/coupon-codes/redeem", {"code": "no code at all"}).refused(404, "code_unknown")
    somebody.post("/v1/coupon-codes/redeem", {"code": ""}).refused(400, "malformed")
    operator.post(f"{PATH}/{made.template_id}/codes/{answer['batch_id']}/export").refused(409, "codes_exported")


def test_a_large_batch_is_exported_once(operator: Client) -> None:
    path = f"{PATH}/{coded().template_id}/codes"
    answer = operator.post(path, {"count": 100_000}).ok(201)
    assert answer["codes"] == []
    began = time.process_time()
    exported = operator.post(f"{path}/{answer['batch_id']}/export")
    seconds = time.process_time() - began
    assert exported.headers["content-type"] == "text/csv; charset=utf-8"
    assert len(exported.body) < 4_000_000  # what Lambda may answer is 6 MB
    lines = exported.body.decode("utf-8-sig").split("\r\n")
    assert (lines[0], lines[-1], len(lines), len(set(lines))) == ("code", "", 100_002, 100_002)
    assert isinstance(tried(member(), lines[1]), Held)
    assert isinstance(tried(member(), lines[100_000]), Held)
    operator.post(f"{path}/{answer['batch_id']}/export").refused(409, "codes_exported")
    assert seconds < 5


def test_what_operators_are_refused(operator: Client) -> None:
    path = f"{PATH}/{coded().template_id}/codes"
    for count in (0, 100_001):
        operator.post(path, {"count": count}).refused(400, "malformed")
    operator.post(f"{PATH}/t404/codes", {"count": 1}).refused(404, "not_found")
    operator.post(f"{PATH}/{template().template_id}/codes", {"count": 1}).refused(422, "invalid")
    batch = operator.post(path, {"count": 2000}).ok(201)["batch_id"]
    other = f"{PATH}/{coded().template_id}/codes"
    operator.post(f"{other}/{batch}/export").refused(404, "not_found")
    for unknown in ("cb1048577", batch[2:], f"cb0{batch[2:]}", "x"):
        operator.post(f"{path}/{unknown}/export").refused(404, "not_found")
    answers = at_once(lambda _: codes.export(path.split("/")[4], batch), range(6), threads=6)
    assert Counter(each if isinstance(each, str) else "csv" for each in answers) == {"csv": 1, "codes_exported": 5}


def test_total_and_limit_hold_for_codes_and_leave_them_good() -> None:
    made = coded(total=3, limit_per_member=2)
    told_codes = codes.make(made.template_id, 10).codes
    first, second, third = crowd(3)
    assert [isinstance(tried(first, code), Held) for code in told_codes[:2]] == [True, True]
    assert tried(first, told_codes[2]) == "claim_limit"
    assert isinstance(tried(second, told_codes[2]), Held)
    assert tried(third, told_codes[3]) == "sold_out"
    templates.change(made.template_id, _changed(total=4))
    assert isinstance(tried(third, told_codes[3]), Held)
    templates.pause(made.template_id)
    assert tried(second, told_codes[4]) == "coupon_not_offered"
    assert [wrong_of(each) for each in (first, second, third)] == [0, 0, 0]


def _changed(**more: Any) -> Any:
    return msgspec.convert(body(**{"how": ["code"], "limit_per_member": 2, **more}), TemplateChangeInput)


def test_audience_holds_for_codes() -> None:
    code = codes.make(coded(audience={"tags": ["vip"]}).template_id, 1).codes[0]
    assert tried(member(), code) == "not_for_you"
    assert isinstance(tried(member(tags=["vip"]), code), Held)


def test_ten_wrong_codes_an_hour(advance: Callable[[float], None]) -> None:
    code, *others = codes.make(coded().template_id, 3).codes
    member_id = member()
    guesser = shopper(member_id)
    for _ in range(GUESSES_MAX):
        guesser.post("/v1/coupon-codes/redeem", {"code": wrong(code)}).refused(404, "code_unknown")
    advance(100)
    for typed in (wrong(code), code):
        refused = guesser.post("/v1/coupon-codes/redeem", {"code": typed})
        problem = refused.refused(429, "too_many_requests")
        assert problem["detail"] in (f"输错的兑换码太多，请 {minutes} 分钟后再试" for minutes in (58, 59))
        assert GUESS_SECONDS - 110 < int(refused.headers["retry-after"]) <= GUESS_SECONDS - 100
    assert wrong_of(member_id) == GUESSES_MAX
    assert isinstance(tried(member(), code), Held)
    advance(GUESS_SECONDS - 100)
    assert isinstance(tried(member_id, others[0]), Held)
    assert tried(member_id, wrong(code)) == "code_unknown"
    assert wrong_of(member_id) == 1


def test_no_more_when_they_come_at_once() -> None:
    code = codes.make(coded().template_id, 1).codes[0]
    member_id = member()
    answers = at_once(lambda _: codes.redeem(member_id, wrong(code)), range(60), threads=12)
    assert set(answers) <= {"code_unknown", "too_many_requests"}
    assert Counter(answers)["code_unknown"] <= GUESSES_MAX
    assert wrong_of(member_id) <= GUESSES_MAX


def wrong_ones_come_in(patch: pytest.MonkeyPatch, member_id: str, code: str, times: int) -> None:
    """Between the look at a code and its redemption the member enters so many wrong ones."""
    real = codes.give

    def late(*arguments: Any) -> Any:
        for _ in range(times):
            assert tried(member_id, wrong(code)) == "code_unknown"
        return real(*arguments)

    patch.setattr(codes, "give", late)


@pytest.mark.parametrize("pressure", [False, True])
def test_the_right_one_among_many_at_once_counts_as_one_of_the_allowed(
    pressure: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, other = codes.make(coded().template_id, 2).codes
    member_id = member()
    allowed = GUESSES_UNDER_PRESSURE if pressure else GUESSES_MAX
    if pressure:
        monkeypatch.setattr(guesses, "GUESS_PRESSURE", -1)

    with monkeypatch.context() as patch:
        wrong_ones_come_in(patch, member_id, code, allowed)
        assert tried(member_id, code) == "too_many_requests"
    assert coupons_of(member_id) == []
    assert tried(member_id, code) == "too_many_requests"
    assert isinstance(tried(member(), other), Held)


def test_the_right_one_beside_a_few_wrong_ones_is_good_when_it_is_entered_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code = codes.make(coded().template_id, 1).codes[0]
    member_id = member()

    with monkeypatch.context() as patch:
        wrong_ones_come_in(patch, member_id, code, GUESSES_UNDER_PRESSURE)
        refused = shopper(member_id).post("/v1/coupon-codes/redeem", {"code": code})
        refused.refused(429, "too_many_requests")
        assert refused.headers["retry-after"] == "1"
    assert isinstance(tried(member_id, code), Held)


def test_many_guessers_are_allowed_less_and_nobody_else_is_hindered() -> None:
    code, *others = codes.make(coded().template_id, 30).codes
    guessers = crowd(334)
    given = [each for each in guessers for _ in range(GUESSES_UNDER_PRESSURE)]
    answers = at_once(lambda each: codes.redeem(each, wrong(code)), given, threads=12)
    assert set(answers) == {"code_unknown"}
    cache.forget("coupon-guesses")
    assert _in_all() == 1002 > GUESS_PRESSURE
    assert tried(guessers[0], wrong(code)) == "too_many_requests"
    assert tried(guessers[0], code) == "too_many_requests"
    typo = member()
    for _ in range(GUESSES_UNDER_PRESSURE - 1):
        assert tried(typo, wrong(code)) == "code_unknown"
    assert isinstance(tried(typo, others[0]), Held)
    assert tried(typo, wrong(code)) == "code_unknown"
    assert tried(typo, others[1]) == "too_many_requests"
    assert all(isinstance(tried(each, right), Held) for each, right in zip(crowd(10), others[2:], strict=False))


def _in_all() -> int:
    window = clock.unix() // PRESSURE_SECONDS
    items = (read.get(CouponCounters, *window_key(each, s)[1]) for each in (window - 1, window) for s in range(4))
    return sum(int(item.wrong_codes) for item in items if item is not None)


def test_a_wrong_code_that_another_overtakes_is_counted_too(monkeypatch: pytest.MonkeyPatch) -> None:
    code = codes.make(coded().template_id, 1).codes[0]
    member_id = member()
    guesser, write = shopper(member_id), guesses.write

    def overtaken(*given: Any) -> Any:
        monkeypatch.setattr(guesses, "write", write)
        guesser.post("/v1/coupon-codes/redeem", {"code": wrong(code)}).refused(404, "code_unknown")
        return write(*given)

    monkeypatch.setattr(guesses, "write", overtaken)
    guesser.post("/v1/coupon-codes/redeem", {"code": wrong(code)}).refused(404, "code_unknown")
    assert wrong_of(member_id) == 2


def test_the_pressure_falls_with_time(advance: Callable[[float], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guesses, "GUESS_PRESSURE", 5)
    code = codes.make(coded().template_id, 1).codes[0]
    first, second = crowd(2)
    for each in (first, first, first, second, second, second):
        assert tried(each, wrong(code)) == "code_unknown"
    cache.forget("coupon-guesses")
    assert tried(first, wrong(code)) == "too_many_requests"
    advance(2 * PRESSURE_SECONDS)
    assert tried(first, wrong(code)) == "code_unknown"


def test_a_refusal_beyond_the_limit_writes_nothing() -> None:
    code = codes.make(coded().template_id, 1).codes[0]
    member_id = member()
    for _ in range(GUESSES_MAX):
        tried(member_id, wrong(code))
    with boundary() as outside:
        for _ in range(20):
            assert tried(member_id, wrong(code)) == "too_many_requests"
            assert tried(member_id, "nonsense") == "too_many_requests"
    assert set(outside.calls) == {"BatchGetItem"}
    assert len(outside.calls) == 40


def test_a_lost_answer_redeems_once() -> None:
    made = coded()
    told_codes = codes.make(made.template_id, 3).codes
    for mode, code in zip(("answer_lost", "refused", "conflict"), told_codes, strict=True):
        somebody = member()
        with boundary() as outside:
            outside.arm(3, mode)  # type: ignore[arg-type]
            assert isinstance(tried(somebody, code), Held), mode
        assert len(coupons_of(somebody)) == 1
    assert figures(made) == (3, 997)
