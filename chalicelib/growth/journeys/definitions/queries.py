"""Reads of journeys for operators."""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.core.errors import FieldError
from chalicelib.growth.journeys.book import queries as books
from chalicelib.growth.journeys.book.rules import Book
from chalicelib.growth.journeys.language.rules import Definition, plan_of
from chalicelib.growth.journeys.moving import queries as moves
from chalicelib.growth.journeys.moving.rules import Track
from chalicelib.growth.journeys.publishing.rules import faults
from chalicelib.growth.journeys.rules import Journey, Version
from chalicelib.growth.journeys.statistics.rules import members_for_verdict, members_needed
from chalicelib.growth.journeys.surroundings.queries import surroundings_of
from chalicelib.growth.journeys.views import (
    JourneyCard,
    JourneyView,
    MembersNeeded,
    MovingView,
    PublishedView,
    journey_card,
    moving_view,
    version_view,
)
from chalicelib.platform.web.problems import field_problem, labels_of

#: What an uplift is planned for that nobody has measured yet, in basis points: 3 % reach the goal anyway, and one point
#: more with the journey.
BASE_BP, UPLIFT_BP = 300, 100
_TRACKS: tuple[Track, ...] = ("state", "version")


def journeys() -> list[JourneyCard]:
    """List all journeys, the newest first."""
    known = sorted(books.fresh().journeys.values(), key=lambda one: one.journey.made_at, reverse=True)
    return [journey_card(one.journey) for one in known]


def journey(journey_id: str, language: str) -> JourneyView:
    """Show a journey, with what is wrong with its draft in `language`. Raises `not_found`."""
    found = books.find(journey_id).journey
    versions = books.versions(journey_id)
    definition = versions[0].definition if versions else None
    shown = found.draft or definition
    return JourneyView(
        journey_id=found.journey_id, name=found.name, state=found.state, version=found.version,
        built_in=found.built_in, made_at=found.made_at, changed_at=found.changed_at, definition=definition,
        draft=found.draft, versions=[version_view(one) for one in versions],
        problems=[field_problem(one, language, labels_of(__name__)) for one in _problems(found, books.fresh())],
        members_needed=None if shown is None else needed(shown), moving=list(_moves(journey_id)),
    )  # fmt: skip


def _problems(found: Journey, book: Book) -> list[FieldError]:
    if found.draft is None:
        return []
    plan = plan_of(found.journey_id, found.version + 1, found.draft)
    return faults(plan, surroundings_of(plan, book))


def _moves(journey_id: str) -> Iterator[MovingView]:
    for track in _TRACKS:
        move = moves.latest(journey_id, track)
        if move is not None:
            counts = moves.counted(move) if move.kind == "migrate" else {}
            yield moving_view(move, not moves.is_done(move), counts)


def published(version: Version) -> PublishedView:
    """Show a version that was published just now."""
    return PublishedView(
        journey_id=version.journey_id, version=version.version, members_needed=needed(version.definition)
    )  # fmt: skip


def needed(definition: Definition) -> MembersNeeded | None:
    """Say how many members must come in for an uplift to be seen; None without a goal or a control group."""
    percent = definition.control_percent
    if not percent or definition.goal is None:
        return None
    return MembersNeeded(
        base_bp=BASE_BP, uplift_bp=UPLIFT_BP, control_percent=percent,
        members=members_needed(BASE_BP, UPLIFT_BP, percent),
        members_for_verdict=members_for_verdict(BASE_BP, UPLIFT_BP, percent),
    )  # fmt: skip
