"""Lists of grants: members are added in many requests, at once and while the list is worked through, each once."""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec
import pytest

from chalicelib.commerce.coupons.bulk_issue import queries as bulk_issue_queries
from chalicelib.commerce.coupons.bulk_issue import service as bulk_issue
from chalicelib.commerce.coupons.inputs import TemplateChangeInput
from chalicelib.commerce.coupons.templates import service as templates
from chalicelib.core.errors import MallError
from chalicelib.platform.jobs import worker
from local.client import Client
from local.client import coupon_template as body
from local.jobs import forget_all
from tests.support.bulk_issue import added, counts, ended, given_by, granted, progress, shorten_steps
from tests.support.coupons import at_once, crowd, figures, template, told
from tests.support.outside import POINTS, Crash, Mode, boundary, may_change

PATH = "/v1/admin/coupon-templates"


@pytest.fixture
def short_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    shorten_steps(monkeypatch)


def test_a_list_in_many_requests_in_any_order_and_twice(short_steps: None) -> None:
    people = crowd(20)
    made = template(total=100, limit_per_member=5, how=["grant"])
    requests = [people[:4], people[2:11], people[11:12], people[12:17], people[15:]]
    grant = granted(made, members=requests[0])
    for position in (3, 1):
        added(made, grant, requests[position], f"k{position}")
    bulk_issue.step(made.template_id, grant.grant_id, 0)
    for position in (1, 4, 2, 3, 4):  # whoever was cut off sends them all again
        told_so = added(made, grant, requests[position], f"k{position}")
        assert told_so.added == len(requests[position])
    listed = sum(map(len, requests))
    assert progress(grant).total == listed == 24
    view = ended(made, grant)
    assert (view.total, counts(view)) == (24, ("done", 24, 20, 4))
    assert given_by(made, people) == people
    assert figures(made) == (20, 80)


def test_a_list_that_was_done_goes_on_with_who_is_added(short_steps: None) -> None:
    people = crowd(12)
    made = template(total=10, how=["grant"])
    grant = granted(made, members=people[:2])
    assert counts(ended(made, grant)) == ("done", 2, 2, 0)
    added(made, grant, people[2:4])
    assert progress(grant).state == "running"
    assert counts(ended(made, grant)) == ("done", 4, 4, 0)
    added(made, grant, people[4:])
    view = ended(made, grant)
    assert (view.total, counts(view)) == (12, ("sold_out", 10, 10, 0))
    more = body(total=20, how=["grant"])
    templates.change(made.template_id, msgspec.convert(more, TemplateChangeInput))
    added(made, grant, [people[0]])
    assert counts(ended(made, grant)) == ("done", 13, 12, 1)
    assert given_by(made, people) == people


def test_who_is_added_while_the_last_step_is_made_is_not_left_out(
    monkeypatch: pytest.MonkeyPatch, short_steps: None
) -> None:
    people = crowd(4)
    made = template(total=10, how=["grant"])
    grant = granted(made, members=people[:2])
    candidates = bulk_issue_queries.candidates

    def late(*arguments: Any) -> Any:
        monkeypatch.setattr(bulk_issue_queries, "candidates", candidates)
        added(made, grant, people[2:])
        return candidates(*arguments)

    monkeypatch.setattr(bulk_issue_queries, "candidates", late)
    view = ended(made, grant)
    assert (view.total, counts(view)) == (4, ("done", 4, 4, 0))
    assert given_by(made, people) == people


def test_adding_to_a_list_at_once_and_while_it_is_worked_through(short_steps: None) -> None:
    people = crowd(22)
    made = template(total=22, how=["grant"])
    grant = granted(made, members=people[:4])

    def act(number: int) -> None:
        if number < 6:
            chosen = people[4 + 3 * number : 7 + 3 * number]
            while isinstance(told(lambda: added(made, grant, chosen, f"k{number}")), str):
                pass
        else:
            while told(lambda: bulk_issue.step(made.template_id, grant.grant_id, 0)):
                pass

    at_once(act, [0, 0, 6, 1, 2, 7, 3, 3, 4, 5], threads=8)
    view = ended(made, grant)
    assert (view.total, counts(view)) == (22, ("done", 22, 22, 0))
    assert given_by(made, people) == people


@pytest.mark.parametrize("mode", POINTS)
def test_whichever_write_of_adding_goes_wrong_it_is_added_once(mode: Mode, short_steps: None) -> None:
    people = crowd(6)
    struck, at = True, 0
    while struck:
        at += 1
        made = template(total=100, how=["grant"])
        grant = granted(made, members=people[:1])
        assert counts(ended(made, grant)) == ("done", 1, 1, 0)
        with boundary() as outside:
            outside.arm(at, mode, may_change)
            with contextlib.suppress(Crash, MallError):
                added(made, grant, people, "k")
            struck = outside.struck
        assert added(made, grant, people, "k").added == 6
        view = ended(made, grant)
        assert (view.total, counts(view)) == (7, ("done", 7, 6, 1)), at
    assert at > 1
    assert given_by(made, people) == people


def test_what_is_refused_of_those_who_are_added(operator: Client) -> None:
    people = crowd(3)
    made = template(how=["grant"])
    path = f"{PATH}/{made.template_id}/grants"
    grant_id = operator.post(path, {"members": people[:1]}, key="k1").ok(202)["grant_id"]
    more = f"{path}/{grant_id}/members"
    told_so = operator.post(more, {"members": [*people, people[0]]}, key="k2").ok(202)
    assert told_so == {"grant_id": grant_id, "template_id": made.template_id, "added": 3}
    worker.run_due()
    assert operator.post(more, {"members": [*people, people[0]]}, key="k2").ok(202) == told_so
    assert operator.get(f"{path}/{grant_id}").ok()["total"] == 4
    operator.post(more, {"members": people}, key="k2").refused(422, "idempotency_key_reused")
    operator.post(more, {"members": people}).refused(400, "idempotency_key_missing")
    operator.post(more, {"members": []}, key="k3").refused(400, "malformed")
    operator.post(f"{path}/cg404/members", {"members": people}, key="k3").refused(404, "not_found")
    other = f"{PATH}/{template(how=['grant']).template_id}/grants/{grant_id}/members"
    operator.post(other, {"members": people}, key="k3").refused(404, "not_found")
    roster = operator.post(path, {"all": True}, key="k4").ok(202)["grant_id"]
    operator.post(f"{path}/{roster}/members", {"members": people}, key="k3").refused(422, "invalid")
    templates.pause(made.template_id)
    operator.post(more, {"members": people}, key="k3").refused(409, "coupon_not_offered")
    assert operator.post(more, {"members": [*people, people[0]]}, key="k2").ok(202) == told_so
    forget_all()


def test_ten_thousand_in_a_request(operator: Client) -> None:
    path = f"{PATH}/{template(total=1, how=['grant']).template_id}/grants"
    listed = [f"m{number:024}" for number in range(20_001)]
    first = operator.post(path, {"members": listed[1:10_001]}, key="k").ok(202)
    assert first["total"] == 10_000
    operator.post(path, {"members": listed[:10_001]}, key="k2").refused(400, "malformed")
    more = f"{path}/{first['grant_id']}/members"
    assert operator.post(more, {"members": listed[10_001:]}, key="k").ok(202)["added"] == 10_000
    operator.post(more, {"members": listed[:10_001]}, key="k2").refused(400, "malformed")
    assert operator.get(f"{path}/{first['grant_id']}").ok()["total"] == 20_000
    forget_all()
