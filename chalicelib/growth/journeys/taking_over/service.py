"""Taking the runs of one version over into the one that holds: asked for by operators, tried first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from chalicelib.core import clock
from chalicelib.core.errors import FieldError, MallError, invalid
from chalicelib.growth.journeys.book import queries as books
from chalicelib.growth.journeys.inputs import MigrateInput
from chalicelib.growth.journeys.language.rules import Plan
from chalicelib.growth.journeys.migrating.rules import migrated
from chalicelib.growth.journeys.moving import queries as moves
from chalicelib.growth.journeys.moving import service as moving
from chalicelib.growth.journeys.refusals import MOVE_UNDER_WAY, NO_STEP_THERE, NO_SUCH_VERSION, VERSION_HOLDS
from chalicelib.growth.journeys.rules import Journey
from chalicelib.growth.journeys.runs import queries as runs
from chalicelib.growth.journeys.runs.rules import Run
from chalicelib.growth.journeys.tables import JOURNEY_SHARDS
from chalicelib.growth.journeys.views import MigrationView, moved_steps
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import commit, retry

#: So many runs are looked at as it is tried; more are a part of all.
TRIED_MAX = 5_000
_PAGE = 100


def dry_run(journey_id: str, asked: MigrateInput) -> MigrationView:
    """Say how many runs would do what. Raises `not_found`, `not_running`, `invalid`."""
    journey = books.find(journey_id).journey
    old, new = _plans(journey, asked)
    counts: Counter[str] = Counter()
    looked_at, whole, now = 0, True, clock.now()
    for run in _runs_of(journey_id):
        if looked_at >= TRIED_MAX:
            whole = False
            break
        looked_at += 1
        if run.version == asked.version and run.state != "ended":
            done = migrated(old, new, run, now, asked.mapped, asked.missing)
            counts[f"{done.how}|{run.step}"] += 1
    totals, by_step = moved_steps(counts)
    return MigrationView(
        dry_run=True, version=asked.version, to=journey.version, counts=totals, by_step=by_step, looked_at=looked_at,
        whole=whole,
    )  # fmt: skip


def _runs_of(journey_id: str) -> Iterator[Run]:
    for shard in range(JOURNEY_SHARDS):
        after, more = None, True
        while more:
            keys, after = runs.inside(journey_id, shard, _PAGE, after)
            more = after is not None
            yield from runs.of_keys(keys)


def migrate(journey_id: str, asked: MigrateInput, operator: str) -> MigrationView:
    """Begin to take the runs over. Raises `not_found`, `not_running`, `invalid`, and `conflict` while that is under way
    for this journey."""

    def once() -> MigrationView:
        journey = books.find(journey_id).journey
        _plans(journey, asked)
        before = moves.latest(journey_id, "version")
        if before is not None and not moves.is_done(before):
            raise MallError("conflict", errors=(MOVE_UNDER_WAY.at("from"),))
        tx = Transaction()
        move = moving.begin(tx, journey, "migrate", operator, before, asked.version, asked.mapped, asked.missing)
        commit(tx)
        totals, by_step = moved_steps({})
        return MigrationView(running=True, version=move.version, to=move.to, counts=totals, by_step=by_step)

    return retry(once)


def _plans(journey: Journey, asked: MigrateInput) -> tuple[Plan, Plan]:
    """Read both versions, and hold what is asked for against them."""
    if journey.state in ("draft", "ended"):
        raise MallError("not_running")
    if asked.version > journey.version:
        raise invalid(NO_SUCH_VERSION.at("from", version=asked.version))
    if asked.version == journey.version:
        raise invalid(VERSION_HOLDS.at("from", version=asked.version))
    old, new = books.plan(journey.journey_id, asked.version), books.plan_now(journey)
    errors: list[FieldError] = []
    for before, after in asked.mapped.items():
        errors += [NO_STEP_THERE.at(f"map.{before}", named=before)] if before not in old.steps else []
        errors += [NO_STEP_THERE.at(f"map.{before}", named=after)] if after not in new.steps else []
    if errors:
        raise invalid(*errors)
    return old, new
