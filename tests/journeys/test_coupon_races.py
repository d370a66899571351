"""Many want coupons at once: as many get one as there are, one coupon is in one order, and nobody guesses a code."""

from __future__ import annotations

import secrets
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from local.mall import Mall
from local.processes import ROOT
from tests.support.client import Answer, Client, Operator, over_http
from tests.support.groups import Arrive, agree

AT_ONCE = 20
#: Of Crockford's base32, in which codes are written.
LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def template(operator: Operator, **more: Any) -> str:
    """Five yuan off, ten of them and one for each member, unless `more` says otherwise."""
    body = {
        "name": "五元券", "kind": "amount_off", "amount_fen": 500, "total": 10, "limit_per_member": 1,
        "valid": {"days": 7}, "how": ["claim"],
    } | more  # fmt: skip
    made: str = operator.post("/v1/admin/coupon-templates", body).ok(201)["template_id"]
    return made


def left(operator: Operator, template_id: str) -> tuple[int, int]:
    """How many coupons of the template were issued, and how many are left."""
    figures = operator.get(f"/v1/admin/coupon-templates/{template_id}").ok()["figures"]
    return figures["issued"], figures["left"]


def members(mall: Mall, count: int) -> list[Client]:
    """So many who have joined before; they are put straight into the mall's table, for logging in takes longer than
    what they come for."""
    code = "from tests.support.coupons import crowd, token_of; print(*map(token_of, crowd(%d)))"
    done = subprocess.run(
        [sys.executable, "-c", code % count], cwd=ROOT, env=mall.environment, capture_output=True, text=True,
        check=True, timeout=60,
    )  # fmt: skip
    return [Client(over_http(mall.api_url), token) for token in done.stdout.split()]


def test_of_a_thousand_claims_at_once_a_hundred_find_a_coupon_and_nobody_has_two(
    mall: Mall, operator: Operator, differences: Callable[[], list[str]]
) -> None:
    template_id = template(operator, total=100)
    everybody = members(mall, 400)
    claims = [everybody[number % 400] for number in range(1000)]
    secrets.SystemRandom().shuffle(claims)

    def claim(member: Client) -> Answer:
        return member.post(f"/v1/coupon-templates/{template_id}/claim")

    with ThreadPoolExecutor(AT_ONCE) as crowd:
        answers = list(crowd.map(claim, claims))
    told = Counter(answer.json.get("code", "a coupon") for answer in answers)
    assert told["a coupon"] == 100
    assert told.keys() == {"a coupon", "sold_out", "claim_limit"}
    for answer in answers:
        assert answer.status in (201, 409)
    lucky = {member.token for member, answer in zip(claims, answers, strict=True) if answer.status == 201}
    assert len(lucky) == len({answer.json["coupon_id"] for answer in answers if answer.status == 201}) == 100
    assert left(operator, template_id) == (100, 0)
    agree(differences)  # what was counted for each member is what each has


def test_one_coupon_in_ten_orders_at_once_is_in_one_of_them_until_that_is_cancelled(
    mall: Mall, operator: Operator, arrive: Arrive
) -> None:
    sku = operator.product(price_fen=3000)["skus"][0]["sku_id"]
    who, stranger = arrive(), arrive()
    coupon = who.post(f"/v1/coupon-templates/{template(operator)}/claim").ok(201)["coupon_id"]
    body = who.order_body([(sku, 1)], 2500) | {"coupon_ids": [coupon]}
    devices = [Client(over_http(mall.api_url), who.token) for _ in range(10)]

    def order(device: Client) -> Answer:
        return device.post("/v1/orders", body, key=secrets.token_hex(8))

    with ThreadPoolExecutor(10) as crowd:
        answers = list(crowd.map(order, devices))
    assert Counter(answer.status for answer in answers)[201] == 1
    for answer in answers:
        if answer.status != 201:
            assert (answer.status, answer.json["code"]) in ((409, "coupon_taken"), (422, "coupon_unusable"))
            assert [each["field"] for each in answer.json["errors"]] == ["coupon_ids[0]"]
    having = next(answer.json["order_id"] for answer in answers if answer.status == 201)
    assert [each["coupon_id"] for each in who.get("/v1/me/coupons?state=locked").ok()["items"]] == [coupon]
    assert operator.stock(sku) == (99, 1)

    theirs = stranger.order_body([(sku, 1)], 2500) | {"coupon_ids": [coupon]}
    asked = [theirs, theirs | {"coupon_ids": ["c-404"]}]  # another's coupon, and one that there is not
    refusals = [stranger.post("/v1/orders", one, key=secrets.token_hex(8)).refused(404, "not_found") for one in asked]
    assert refusals[0] | {"request_id": ""} == refusals[1] | {"request_id": ""}
    assert [each["field"] for each in refusals[0]["errors"]] == ["coupon_ids[0]"]

    who.post(f"/v1/orders/{having}/cancel").ok()
    assert [each["coupon_id"] for each in who.get("/v1/me/coupons").ok()["items"]] == [coupon]
    again = order(devices[0]).ok(201)
    assert (again["discount_fen"], again["order_id"] != having) == (500, True)


def test_three_hundred_wrong_codes_find_no_coupon_and_hinder_nobody_else(
    mall: Mall, operator: Operator, arrive: Arrive
) -> None:
    template_id = template(operator, how=["code"])
    codes = operator.post(f"/v1/admin/coupon-templates/{template_id}/codes", {"count": 2}).ok(201)["codes"]
    guesser, honest = arrive(), arrive()
    devices = [Client(over_http(mall.api_url), guesser.token) for _ in range(AT_ONCE)]
    plain = [code.replace("-", "") for code in codes]
    near = [plain[0][:-1] + letter for letter in LETTERS if letter != plain[0][-1]]
    wild = ["".join(secrets.choice(LETTERS) for _ in plain[0]) for _ in range(300 - len(near))]

    def guess(number: int, code: str) -> Answer:
        return devices[number % AT_ONCE].post("/v1/coupon-codes/redeem", {"code": code})

    with ThreadPoolExecutor(AT_ONCE) as crowd:
        guesses = [crowd.submit(guess, *each) for each in enumerate(near + wild)]
        redeemed = honest.post("/v1/coupon-codes/redeem", {"code": codes[0]}).ok(201)
        answers = [each.result() for each in guesses]
    told = Counter((answer.status, answer.json["code"]) for answer in answers)
    assert told == {(404, "code_unknown"): 10, (429, "too_many_requests"): 290}
    waits = [int(answer.headers["retry-after"]) for answer in answers if answer.status == 429]
    assert 0 < min(waits) <= max(waits) <= 3600
    assert redeemed["template_id"] == template_id
    guess(0, codes[1]).refused(429, "too_many_requests")  # a right one does not count any more either
    honest.post("/v1/coupon-codes/redeem", {"code": codes[0]}).refused(409, "code_used")
    assert left(operator, template_id) == (1, 9)
