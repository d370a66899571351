"""A small mall whose operator has journeys: all that is done with them is done over HTTP."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from typing import Any

from chalicelib.commerce.coupons.wallet import queries as wallet
from chalicelib.core import clock
from chalicelib.growth.journeys.book import queries as books
from chalicelib.growth.journeys.report.rules import named, summed
from chalicelib.growth.journeys.runs.queries import counts, runs_of
from chalicelib.growth.journeys.runs.rules import Run
from chalicelib.growth.journeys.tables import RUN, JourneyRuns
from chalicelib.platform.store import tools
from tests.support.coupons import template
from tests.support.segment_mall import SegmentMall
from tests.support.segment_mall import opened as segment_mall

ALL = "/v1/admin/journeys"
BY_HAND: dict[str, Any] = {"api": True}


class Office(SegmentMall):
    """The mall, and its operator, who writes journeys."""

    def draft(self, steps: dict[str, Any], **parts: Any) -> str:
        """A journey that is drafted just now."""
        return str(self.operator.post(ALL, self.body(steps, **parts)).ok(201)["journey_id"])

    @staticmethod
    def body(steps: dict[str, Any], **parts: Any) -> dict[str, Any]:
        """What an operator sends to draft such a journey, into which members come by hand if nothing is said."""
        return {"name": "旅程", "entry": BY_HAND, "first": next(iter(steps)), "steps": steps, **parts}

    def journey(self, steps: dict[str, Any], **parts: Any) -> str:
        """A journey that is published just now."""
        journey_id = self.draft(steps, **parts)
        self.publish(journey_id)
        return journey_id

    def publish(self, journey_id: str) -> int:
        """Its draft holds from now on; as which version."""
        return int(self.operator.post(f"{ALL}/{journey_id}/publish").ok()["version"])

    def next_version(self, journey_id: str, steps: dict[str, Any], **parts: Any) -> int:
        """Another version of it holds from now on."""
        self.operator.put(f"{ALL}/{journey_id}/draft", self.body(steps, **parts)).ok()
        return self.publish(journey_id)

    def enter(self, journey_id: str, *member_ids: str) -> dict[str, Any]:
        """These members are let in; what became of them."""
        body = {"members": list(member_ids)}
        entered: dict[str, Any] = self.operator.post(f"{ALL}/{journey_id}/enter", body, key=secrets.token_hex(8)).ok()
        return entered

    def report(self, journey_id: str, version: int | None = None) -> dict[str, Any]:
        """What became of those who came in."""
        query = "" if version is None else f"?version={version}"
        told: dict[str, Any] = self.operator.get(f"{ALL}/{journey_id}/report{query}").ok()
        return told

    def run(self, member_id: str, journey_id: str) -> Run:
        """The only run of the member in the journey."""
        (found,) = runs_of(member_id, journey_id)
        return found

    def coupons(self, member_id: str) -> list[str]:
        """The templates of the coupons that the member has unused."""
        found, _ = wallet.coupons_of_member(member_id, "unused", 100, None)
        return sorted(one.coupon.template_id for one in found)

    def gift(self, percent_off: int = 20, **more: Any) -> str:
        """A published template of coupons that journeys give."""
        made = template(
            kind="percent_off", amount_fen=None, percent_off=percent_off, threshold_fen=0, total=1000,
            limit_per_member=100, how=["grant", "journey"], **more,
        )  # fmt: skip
        return made.template_id

    def words(self, purpose: str = "service", media: str = "oa", text: str = "您好") -> str:
        """A template of messages."""
        body = {"name": "消息", "medium": media, "purpose": purpose, "text": text, "vars": []}
        return str(self.operator.post("/v1/admin/message-templates", body).ok(201)["template_id"])

    def nobody_is_lost(self, journey_id: str) -> dict[str, int]:
        """Held against its runs, the journey counts everybody once: entered = active + parked + ended by reason. What
        is counted of all its versions."""
        versions = range(1, books.find(journey_id).journey.version + 1)
        for version in versions:
            counted = counts(journey_id, version, consistent=True)
            runs = [
                item.run
                for item in tools.scan(JourneyRuns)
                if item.part.startswith(RUN) and item.run.journey_id == journey_id and item.run.version == version
            ]
            ended = named(counted, "ended")
            parked = sum(run.state == "parked" for run in runs)
            active = sum(run.state == "active" for run in runs)
            assert counted.get("parked", 0) == parked
            assert counted.get("entered", 0) == len(runs) == active + parked + sum(ended.values())
            for reason in {*ended, *(run.reason for run in runs if run.state == "ended")}:
                assert ended.get(reason, 0) == sum(run.reason == reason for run in runs), reason
        return summed(counts(journey_id, version, consistent=True) for version in versions)


@contextlib.contextmanager
def opened(suffix: str) -> Iterator[Office]:
    """Open such a mall in tables of its own. The engine must run."""
    with segment_mall(suffix) as mall:
        yield Office(mall.mall)


__all__ = ["ALL", "BY_HAND", "Office", "clock", "opened"]
