"""Members come by each other's links at random, and time passes: nobody is ever bound in a ring, or to themselves."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from local.client import Operator, in_process
from local.clock import LocalClock
from tests.support.distribution import bare_member, quick_distributor, set_rules
from tests.support.operators import owner_token

PEOPLE, PROTECTED_DAYS = 6, 30
WHO = st.integers(0, PEOPLE - 1)


class Bindings(RuleBasedStateMachine):
    """Six distributors, who all try to bring each other."""

    clock: LocalClock

    @initialize()
    def arrive(self) -> None:
        self.members = [bare_member() for _ in range(PEOPLE)]
        self.codes = [quick_distributor(member_id) for member_id in self.members]
        #: Who is bound to whom since when, as it ought to be.
        self.bound: dict[str, tuple[str, Any]] = {}

    @rule(who=WHO, by=WHO)
    def come_by(self, who: int, by: int) -> None:
        from chalicelib.core import clock
        from chalicelib.growth.distribution.bindings.service import bind

        member, inviter = self.members[who], self.members[by]
        live = self._live()
        above, expected = inviter, member not in live
        while above is not None:
            expected = expected and above != member
            above = live.get(above)
        binding = bind(member, self.codes[by])
        assert (binding is not None) == expected
        if binding is not None:
            self.bound[member] = inviter, clock.now()

    @rule(days=st.sampled_from([1, 10, PROTECTED_DAYS]))
    def wait(self, days: int) -> None:
        self.clock.advance(days * 86400)

    @invariant()
    def nobody_is_in_a_ring(self) -> None:
        live = self._live()
        for start in live:
            seen, current = {start}, live.get(start)
            while current is not None:
                assert current not in seen
                seen.add(current)
                current = live.get(current)

    def _live(self) -> dict[str, str]:
        """Who is bound to whom, as it is kept; and it is as it ought to be."""
        from chalicelib.core import clock
        from chalicelib.growth.distribution.tables import binding_key
        from chalicelib.platform.store import read

        if not hasattr(self, "members"):
            return {}
        now = clock.now()
        items = read.batch_get([binding_key(member) for member in self.members])
        live = {item.member_id: item.binding.inviter for item in items if item is not None and item.binding.live(now)}
        ought = {
            member: inviter
            for member, (inviter, since) in self.bound.items()
            if now < since + timedelta(days=PROTECTED_DAYS)
        }
        assert live == ought
        return live


@pytest.fixture
def protected(dynamodb: str, mall_clock: LocalClock) -> Iterator[str]:
    operator = Operator(in_process(), owner_token())
    set_rules(operator, protection_days=PROTECTED_DAYS)
    Bindings.clock = mall_clock
    yield dynamodb
    set_rules(operator, enabled=False)


def test_whoever_comes_by_whose_link_nobody_is_bound_in_a_ring(protected: str) -> None:
    played = settings(
        max_examples=40, stateful_step_count=30, database=None, deadline=None, derandomize=True,
        phases=[Phase.generate, Phase.shrink], suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    run_state_machine_as_test(Bindings, settings=played)  # type: ignore[no-untyped-call]
