"""Grants: everybody exactly one, whatever dies meanwhile; counts that are those of the coupons."""

from __future__ import annotations

import contextlib
import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.commerce.coupons import rules
from chalicelib.commerce.coupons.bulk_issue import service as bulk_issue
from chalicelib.commerce.coupons.centre import service as centre
from chalicelib.commerce.coupons.templates import service as templates
from chalicelib.core import clock
from chalicelib.customers.members import queries as member_queries
from chalicelib.customers.members import tables as members_tables
from chalicelib.platform.jobs import worker
from chalicelib.platform.jobs.job import LEASE_SECONDS
from local.client import Client
from tests.support.bulk_issue import PATIENCE, all_given_by, counts, ended, given_by, granted, progress, shorten_steps
from tests.support.coupons import at_once, coupons_of, crowd, figures, member, template, told
from tests.support.outside import Crash, boundary

PATH = "/v1/admin/coupon-templates"


@pytest.fixture
def own_roster(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has joined yet."""
    name = secrets.token_hex(4)
    for module in (member_queries, members_tables):
        monkeypatch.setattr(module, "roster", lambda shard: f"{name}{shard}")


@pytest.fixture
def short_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    shorten_steps(monkeypatch)


def test_five_thousand_and_a_worker_that_is_killed_twice(advance: Callable[[float], None]) -> None:
    people = crowd(5000)
    made = template(total=6000, how=["grant"])
    grant = granted(made, members=people)
    assert (grant.state, grant.total, grant.done) == ("running", 5000, 0)
    for at, mode in ((300, "crash_before"), (231, "crash_after")):
        with boundary() as outside, contextlib.suppress(Crash):
            outside.arm(at, mode)  # type: ignore[arg-type]
            worker.run_due(PATIENCE)
            raise AssertionError("nobody died")
        middle = progress(grant)
        assert middle.state == "running"
        assert 0 < middle.given == all_given_by(made).total() < 5000
        advance(LEASE_SECONDS + 1)
    assert counts(ended(made, grant)) == ("done", 5000, 5000, 0)
    assert all_given_by(made) == Counter(people)
    assert figures(made) == (5000, 1000)


@pytest.mark.parametrize("mode", ["crash_before", "crash_after", "answer_lost"])
def test_whichever_write_of_a_grant_goes_wrong(mode: Any, advance: Callable[[float], None], short_steps: None) -> None:
    people = crowd(8)
    granted(template(total=8, how=["grant"]), members=people)
    with boundary() as outside:
        worker.run_due()
        writes = [at for at, name in enumerate(outside.calls, 1) if name not in ("BatchGetItem", "GetItem", "Query")]
    assert len(writes) >= 6  # taken, four steps (the list is in two items), ended
    for at in writes:
        made = template(total=100, how=["grant"])
        grant = granted(made, members=people)
        with boundary() as outside, contextlib.suppress(Crash):
            outside.arm(at, mode)
            worker.run_due()
        advance(LEASE_SECONDS + 1)
        assert counts(ended(made, grant)) == ("done", 8, 8, 0), (mode, at)
        assert given_by(made, people) == people, (mode, at)
        assert figures(made) == (8, 92)


def test_two_workers_at_once_do_no_step_twice(short_steps: None) -> None:
    people = crowd(20)
    made = template(total=20, how=["grant"])
    grant = granted(made, members=people)

    def work(_: int) -> None:
        while told(lambda: bulk_issue.step(made.template_id, grant.grant_id, 0)):
            pass

    at_once(work, range(4), threads=4)
    assert counts(progress(grant)) == ("done", 20, 20, 0)
    assert given_by(made, people) == people


def test_who_is_skipped() -> None:
    has, other = crowd(2)
    vip = member(tags=["vip"])
    made = template(how=["claim", "grant"], audience={"tags": ["vip"]})
    asked = [has, vip, "m404", other, vip]
    assert counts(ended(made, granted(made, members=asked))) == ("done", 4, 1, 3)
    assert granted(made, members=[vip]).total == 1
    second = template(how=["claim", "grant"])
    centre.claim(has, second.template_id)
    assert counts(ended(second, granted(second, members=[has, other]))) == ("done", 2, 1, 1)
    assert given_by(second, [has, other]) == [has, other]


def test_it_ends_with_the_last_coupon() -> None:
    people = crowd(100)
    made = template(total=75, how=["grant"])
    view = ended(made, granted(made, members=people))
    assert counts(view) == ("sold_out", 75, 75, 0)
    assert given_by(made, people) == people[:75]
    assert figures(made) == (75, 0)


def test_the_last_coupons_are_in_many_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "PIECES_PER_SHARD", 2)
    made = template(total=64, how=["grant"])
    assert made.shards == 32
    people = crowd(70)
    assert counts(ended(made, granted(made, members=people))) == ("sold_out", 64, 64, 0)
    assert given_by(made, people) == people[:64]


def test_everybody_and_an_audience(advance: Callable[[float], None], own_roster: None) -> None:
    people = crowd(50)
    vips = crowd(20, tags=["vip"])
    advance(1)
    made, chosen = template(total=1000, how=["grant"]), template(total=1000, how=["grant"])
    grant, part = granted(made, all=True), granted(chosen, audience={"tags": ["vip"]})
    late = crowd(3, tags=["vip"])
    view = ended(made, grant)
    assert (grant.total, counts(view), view.total) == (None, ("done", 70, 70, 0), 70)
    assert given_by(made, people + vips + late) == people + vips
    assert counts(ended(chosen, part)) == ("done", 70, 20, 50)
    assert given_by(chosen, people + vips + late) == vips
    advance(1)
    walked = [member_id for shard in range(4) for member_id in _walk(shard)]
    assert Counter(walked) == Counter(people + vips + late)


def _walk(shard: int) -> Iterator[str]:
    """Everybody in a shard of the roster, by pages."""
    position: str | None = ""
    while position is not None:
        found, position = member_queries.everybody(shard, clock.now(), position, 7)
        yield from found


def test_it_waits_while_the_template_is_paused_and_ends_when_it_is_over(advance: Callable[[float], None]) -> None:
    people = crowd(40)
    until = clock.stamp(clock.now() + timedelta(hours=1))
    made = template(total=100, how=["grant"], valid={"until": until})
    grant = granted(made, members=people)
    templates.pause(made.template_id)
    assert counts(ended(made, grant)) == ("running", 0, 0, 0)
    templates.publish(made.template_id)
    advance(61)
    assert counts(ended(made, grant)) == ("done", 40, 40, 0)
    second = granted(made, members=crowd(1))
    advance(3600)
    assert counts(ended(made, second)) == ("over", 0, 0, 0)


def test_progress_and_repetition(operator: Client) -> None:
    people = crowd(3)
    path = f"{PATH}/{template(how=['grant']).template_id}/grants"
    first = operator.post(path, {"members": people}, key="k1").ok(202)
    assert first == {
        "grant_id": first["grant_id"], "template_id": path.split("/")[4], "state": "running", "total": 3, "done": 0,
        "given": 0, "skipped": 0, "created_at": first["created_at"],
    }  # fmt: skip
    worker.run_due()
    done = first | {"state": "done", "done": 3, "given": 3}
    assert operator.get(f"{path}/{first['grant_id']}").ok() == done
    assert operator.post(path, {"members": people}, key="k1").ok(202) == first
    operator.post(path, {"members": people[:2]}, key="k1").refused(422, "idempotency_key_reused")
    again = operator.post(path, {"members": people}, key="k2").ok(202)
    worker.run_due()
    assert operator.get(f"{path}/{again['grant_id']}").ok()["skipped"] == 3
    assert all(len(coupons_of(each)) == 1 for each in people)


def test_what_is_refused(operator: Client) -> None:
    made = template(how=["grant"])
    path = f"{PATH}/{made.template_id}/grants"
    for asked in ({}, {"all": True, "members": ["m1"]}, {"members": ["m1"], "audience": {}}):
        problem = operator.post(path, asked, key=secrets.token_hex(4)).refused(422, "invalid")
        assert problem["errors"][0]["field"] == "members"
    operator.post(path, {"all": True}).refused(400, "idempotency_key_missing")
    operator.post(path, {"members": []}, key="k").refused(400, "malformed")
    operator.post(f"{PATH}/t404/grants", {"all": True}, key="k").refused(404, "not_found")
    operator.post(f"{PATH}/{template().template_id}/grants", {"all": True}, key="k").refused(422, "invalid")
    templates.pause(made.template_id)
    operator.post(path, {"all": True}, key="k").refused(409, "coupon_not_offered")
    operator.get(f"{path}/cg404").refused(404, "not_found")
