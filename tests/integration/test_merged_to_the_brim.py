"""As many members as may be become one, each known by all that a member may be known by."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chalicelib.core import clock, ids
from chalicelib.core.settings import settings
from chalicelib.customers.members import queries as member_queries
from chalicelib.customers.members.identities.rules import ABSORBED_MAX, Identity
from chalicelib.customers.members.logins.service import join
from chalicelib.customers.members.merging.service import unite
from chalicelib.customers.members.privacy.service import erase
from chalicelib.customers.members.returning.rules import Before
from chalicelib.customers.members.rules import Profile
from chalicelib.customers.members.tables import (
    GONE,
    MOVED,
    Identities,
    Members,
    identities_of,
    mini_identity,
    oa_identity,
    phone_identity,
    union_identity,
)
from chalicelib.growth.distribution.distributors import service as distributors
from chalicelib.platform.store import read
from tests.support.growth_merges import earn
from tests.support.small_mall import DAY, SmallMall, opened


@pytest.fixture(scope="module")
def mall(dynamodb: str) -> Iterator[SmallMall]:
    with opened("merged-to-the-brim") as mall:
        yield mall


def known_person(mall: SmallMall) -> str:
    """Somebody new with all that one can be known by, who sells."""
    mall.clock.advance(1)
    now = clock.now()
    phone = ids.new("1")
    keys = [oa_identity(ids.new("o")), union_identity(ids.new("u")), phone_identity(phone)]
    profile = Profile(
        member_id=ids.new("m"), openid=ids.new("o"), joined_at=now, phone=phone,
        identities=[Identity(key=key, evidence="login", at=now) for key in keys],
    )  # fmt: skip
    join(mini_identity(settings().wechat_appid, profile.openid), profile, Before())
    distributors.apply(profile.member_id)
    distributors.approve(profile.member_id)
    return profile.member_id


def test_who_has_all_that_nine_were_known_by_becomes_one_and_leaves(mall: SmallMall) -> None:
    people = [known_person(mall) for _ in range(ABSORBED_MAX + 1)]
    whole, middle = people[:2]
    earn(whole, 100)
    for former in people[2:]:
        assert unite(former, middle, "operator").survivor == middle
    assert unite(whole, middle, "operator").former == middle
    mall.wait(DAY + 180)
    assert [member_queries.resolved(one) for one in people] == [whole] * len(people)
    keys = identities_of(member_queries.profile(whole))
    assert len(keys) == 3 * len(people) + 1  # of phones one stays
    erase(whole, waive_balance=True)
    assert read.batch_get([(Identities, (key,)) for key in keys]) == [None] * len(keys)
    for one in people:
        assert read.get(Members, one, GONE) is not None and read.get(Members, one, MOVED) is None
    mall.wait(DAY + 60)
    assert [one for one in mall.told() if not one.endswith("no order")] == []  # which `earn` did without
