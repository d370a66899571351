"""A small mall with journeys, as the services play them: published, gone into, and looked at."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from chalicelib.commerce.coupons.wallet import queries as wallet
from chalicelib.core import clock, ids
from chalicelib.growth.journeys.book import queries as book_queries
from chalicelib.growth.journeys.book import service as book
from chalicelib.growth.journeys.checks import audit
from chalicelib.growth.journeys.entering.rules import Cause
from chalicelib.growth.journeys.entering.service import enter
from chalicelib.growth.journeys.language.rules import Definition, plan_of
from chalicelib.growth.journeys.rules import Journey, State, Version
from chalicelib.growth.journeys.runs.queries import counts, runs_of
from chalicelib.growth.journeys.runs.rules import Run
from chalicelib.growth.journeys.walking.service import begin
from chalicelib.growth.messaging.rules import Message, Template
from chalicelib.growth.messaging.sending import service as sending
from chalicelib.growth.messaging.tables import ALL, Messages, MessageTemplates
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import Transaction, save
from chalicelib.platform.store.versioned import commit, retry
from tests.support.segment_mall import DAY, SegmentMall
from tests.support.segment_mall import opened as segment_mall
from tools import growth_books

BY_HAND: dict[str, Any] = {"api": True}


def definition(steps: dict[str, Any], **parts: Any) -> Definition:
    """A definition with these steps, the first of which stands first; members come in by hand, if nothing is said."""
    whole = {"name": "旅程", "entry": BY_HAND, "first": next(iter(steps)), "steps": steps, **parts}
    return msgspec.convert(whole, Definition)


class JourneyMall(SegmentMall):
    """The mall, and its journeys."""

    def journey(self, steps: dict[str, Any], **parts: Any) -> str:
        """A journey that is published just now."""
        now = clock.now()
        made = Journey(journey_id=ids.new("jn"), name="旅程", made_at=now, changed_at=now)
        tx = Transaction()
        book.write(tx, None, made)
        commit(tx)
        self.publish(made.journey_id, steps, **parts)
        return made.journey_id

    def publish(self, journey_id: str, steps: dict[str, Any], **parts: Any) -> int:
        """Another version of it holds from now on."""

        def once() -> int:
            known = book_queries.fresh()
            before = known.journeys[journey_id].journey
            made = plan_of(journey_id, before.version + 1, definition(steps, **parts))
            after = msgspec.structs.replace(before, state="live", version=made.version)
            tx = Transaction()
            book.write_book(tx, known, after, made)
            book.keep_version(
                tx,
                Version(
                    journey_id=journey_id, version=made.version, definition=made.definition,
                    published_at=clock.now(), published_by="anna",
                ),
            )  # fmt: skip
            begin(tx, made)
            commit(tx)
            return made.version

        return retry(once)

    def set_state(self, journey_id: str, state: State) -> None:
        """It is live, paused, ending or ended from now on."""

        def once() -> None:
            known = book_queries.fresh()
            after = msgspec.structs.replace(known.journeys[journey_id].journey, state=state)
            tx = Transaction()
            book.write_book(tx, known, after)
            commit(tx)

        retry(once)

    def enter(self, journey_id: str, *member_ids: str, cause: str = "") -> list[str]:
        """These members are let in by hand; what became of each."""
        outcomes = enter(member_ids, journey_id, Cause(by="api", cause=cause or ids.new("")))
        return [outcomes[one] for one in member_ids]

    def run(self, member_id: str, journey_id: str) -> Run:
        """The only run of the member in the journey."""
        (found,) = runs_of(member_id, journey_id)
        return found

    def active(self, member_id: str, journey_id: str) -> Run:
        """The active or parked run of the member in the journey."""
        (found,) = [run for run in runs_of(member_id, journey_id) if run.state != "ended"]
        return found

    def counted(self, journey_id: str, version: int = 1) -> dict[str, int]:
        """What is counted of the version."""
        return counts(journey_id, version, consistent=True)

    def coupons(self, member_id: str) -> list[str]:
        """The templates of the coupons that the member has unused."""
        found, _ = wallet.coupons_of_member(member_id, "unused", 100, None)
        return sorted(one.coupon.template_id for one in found)

    def wait(self, **span: float) -> None:
        """So long passes, and all that comes to be due is done at its time."""
        self.mall.wait(timedelta(**span).total_seconds())

    def journey_differences(self) -> list[str]:
        """What the audit of journeys alone says."""
        return [f"{one.about}: {one.what}" for one in audit(growth_books.journeys())]


def message_template(text: str = "好", names: tuple[str, ...] = (), **changes: Any) -> str:
    """A template that is stored, of the official account, for service."""
    fields = {
        "template_id": ids.new("mt"), "version": 1, "name": "问候", "purpose": "service", "media": ["oa"],
        "text": text, "vars": list(names), "created_at": clock.now(), "updated_at": clock.now(),
    }  # fmt: skip
    made = Template(**{**fields, **changes})
    save(MessageTemplates(ALL, made.template_id, template=made))
    return made.template_id


def messages_to(member_id: str) -> list[Message]:
    """All messages to the member, in the order in which they were queued."""
    raws = read.query_all_raw(Messages, member_id, index=Messages.by_member)
    items = read.batch_get([(Messages, (raw["message_id"]["S"],)) for raw in raws])
    return [item.message for item in items if item is not None]


@contextlib.contextmanager
def nothing_is_sent() -> Iterator[None]:
    """Messages stay queued meanwhile: what becomes of them the tests say."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sending, "push", lambda _: None)
        yield


@contextlib.contextmanager
def opened(suffix: str) -> Iterator[JourneyMall]:
    """Open such a mall in tables of its own. The engine must run."""
    with segment_mall(suffix) as mall, nothing_is_sent():
        yield JourneyMall(mall.mall)


__all__ = ["DAY", "JourneyMall", "definition", "message_template", "messages_to", "opened"]
