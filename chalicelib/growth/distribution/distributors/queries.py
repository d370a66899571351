"""Reads of distributors: one, what one sees of their own, the terms, and their customers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from chalicelib.core import clock, ids
from chalicelib.core.errors import MallError
from chalicelib.customers.members.queries import current
from chalicelib.customers.members.rules import NAMELESS, Profile, masked
from chalicelib.customers.members.tables import profile_key
from chalicelib.growth.distribution.refusals import distributor_state
from chalicelib.growth.distribution.rules import Distributor, DistributorRecord, DistributorState, rate
from chalicelib.growth.distribution.settings import DISTRIBUTION
from chalicelib.growth.distribution.tables import CUSTOMER, DISTRIBUTOR, Distributors, distributor_key, record_of
from chalicelib.growth.distribution.views import (
    CustomerView,
    DistributionTerms,
    DistributorOverview,
    RightsView,
    TierView,
    distributor_fields,
    tier_progress,
)
from chalicelib.ledger import queries as ledger_queries
from chalicelib.ledger.rules import month
from chalicelib.platform.store import cursors, read
from chalicelib.platform.store.versioned import Versioned

#: How many pages of an index one page of a list reads at most.
_READS_MAX = 8
#: How many members one page of the second level asks for customers at most.
_ASKED_MAX = 20


#: A position in the list of the members whom a member brought: the instant, and how many of that instant come up to it.
#: No cursor may say who they are.
Position = tuple[str, int]
_MONTH = r"20[0-9]{2}-(0[1-9]|1[0-2])"


def terms() -> DistributionTerms:
    """Show the rules by which distributors are paid."""
    rules = DISTRIBUTION.current()
    levels = range(1, rules.levels + 1)
    same = ("enabled", "levels", "bind_on", "protection_days", "freeze_days", "rights")
    tiers = [
        TierView(
            tier_id=tier.tier_id, name=tier.name, rates_bp=[rate(None, tier, level, rules).bp for level in levels],
            sales_fen=tier.sales_fen, orders=tier.orders, customers=tier.customers, reward_fen=tier.reward_fen,
            rights=tier.rights,
        )
        for tier in rules.tiers
    ]  # fmt: skip
    rates = [rate(None, None, level, rules).bp for level in levels]
    return DistributionTerms(**{name: getattr(rules, name) for name in same}, rates_bp=rates, tiers=tiers)


def overview(member_id: str) -> DistributorOverview:
    """Show all that a distributor sees at first. Raises `not_found` for a member who never applied."""
    record = find(member_id).value
    distributor = record.distributor
    rules, today = DISTRIBUTION.current(), clock.day(clock.now())
    balance, this_month = ledger_queries.balance_and_month(member_id, today)
    tier = rules.tier(distributor.tier)
    return DistributorOverview(
        **distributor_fields(distributor),
        pending_fen=balance.pending,
        available_fen=balance.available,
        withdrawing_fen=balance.withdrawing,
        withdrawn_fen=balance.withdrawn,
        today_fen=this_month.days.get(today.day, 0),
        month_fen=this_month.turnover.earned - this_month.turnover.reversed,
        tier_progress=tier_progress(distributor.tier, record.totals, rules),
        rights=RightsView(rules.rights, tier.rights if tier is not None else ""),
        rates_bp=[rate(None, tier, level, rules).bp for level in range(1, rules.levels + 1)],
    )


def customers(member_id: str, level: int, limit: int, cursor: str | None) -> tuple[list[CustomerView], str | None]:
    """List a page of the members who are bound to this one, the latest first; of level 2, those of each in turn, and
    none where the mall pays one level. One who was bound this moment may be missing.

    A page may be short and not the last. Raises `not_found` for a member who never applied, `cursor_invalid`.
    """
    load(member_id)
    listing = f"customers:{member_id}:{level}"
    position = cursors.read(listing, cursor)
    if level > DISTRIBUTION.current().levels:
        return [], None
    found: list[Distributors]
    if level == 1:
        read_now, after = _brought(member_id, limit, position)
        found = [bound for bound, _ in read_now]
    else:
        found, after = _brought_by_others(member_id, limit, position)
    names = nicknames([bound.member_id for bound in found])
    shown = [
        CustomerView(
            nickname=(names[bound.member_id] or NAMELESS) if level == 1 else masked(names[bound.member_id]),
            bound_at=bound.binding.bound_at, orders=int(bound.orders or 0), paid_fen=int(bound.paid_fen or 0),
        )
        for bound in found
    ]  # fmt: skip
    return shown, cursors.write(listing, after)


def _brought(
    member_id: str, limit: int, behind: Position | None
) -> tuple[list[tuple[Distributors, Position]], Position | None]:
    """Read the next live bindings to this member, at most `limit`, each with its position; and that behind which to go
    on (None: there are no more)."""
    now = clock.now()
    instant, passed = behind or ("", 0)
    where = Distributors.since <= f"{instant}|~" if instant else None
    skip, found = passed, list[tuple[Distributors, Position]]()
    after: read.Raw | None = None
    for _ in range(_READS_MAX):
        page, after = read.query(
            Distributors, member_id, index=Distributors.by_inviter, where=where, forward=False,
            limit=limit - len(found) + skip, after=after,
        )  # fmt: skip
        for raw in page[skip:]:
            at = raw["since"]["S"].partition("|")[0]
            instant, passed = at, passed + 1 if at == instant else 1
            bound = Distributors.from_raw_data(raw)
            if bound.binding.live(now):
                found.append((bound, (instant, passed)))
        skip = max(0, skip - len(page))
        if after is None or len(found) == limit:
            break
    return found, None if after is None else (instant, passed)


def _brought_by_others(member_id: str, limit: int, position: Any) -> tuple[list[Distributors], Any]:
    """Read the next live bindings of level 2. The position is: behind which binding of level 1; and the member whose
    customers come next, behind which of them."""
    behind, partly, inner = position or (None, "", None)
    first, more = _brought(member_id, read.BATCH_MAX, behind)
    people = read.batch_get([distributor_key(bound.member_id) for bound, _ in first], consistent=False)
    found: list[Distributors] = []
    asked = 0
    for (bound, reached), distributor in zip(first, people, strict=True):
        if distributor is not None and distributor.has_customers:
            if len(found) == limit or asked == _ASKED_MAX:
                return found, (behind, partly, inner)
            asked += 1
            whose = ids.digest(bound.member_id.encode())
            page, rest = _brought(bound.member_id, limit - len(found), inner if whose == partly else None)
            found += [each for each, _ in page]
            if rest is not None:
                return found, (behind, whose, rest)
        behind = reached
    return found, None if more is None else (more, "", None)


def month_named(text: str) -> str | None:
    """Give the month, such as "2026-11", where the text is one; None for anything else and for a month to come."""
    return text if re.fullmatch(_MONTH, text) and text <= month(clock.now()) else None


def nicknames(member_ids: Sequence[str], *, for_operators: bool = False) -> dict[str, str]:
    """Read the nicknames of these members, by id, "" where they have none; in one BatchGet.

    Others see what WeChat has let pass, operators what the members say themselves.
    """
    distinct = list(dict.fromkeys(member_ids))
    found = read.batch_get([profile_key(member_id) for member_id in distinct], consistent=False)
    profiles: dict[str, Profile] = {item.member_id: item.profile for item in found if item is not None}
    told = "nickname" if for_operators else "shown_nickname"
    return {each: getattr(profiles[each], told) if each in profiles else "" for each in distinct}


def find(member_id: str) -> Versioned[DistributorRecord]:
    """Read the distributor with what is counted of them, and their version; of one who turned out to be another, that
    one. Raises `not_found` for a member who never applied."""
    item = followed(read.get(Distributors, member_id, DISTRIBUTOR))
    if item is None:
        raise MallError("not_found")
    return Versioned(record_of(item), int(item.version))


def followed(item: Distributors | None) -> Distributors | None:
    """Read on, where that distributor turned out to be another, to whose it is by now."""
    while item is not None and item.distributor.merged_into:
        item = read.get(Distributors, item.distributor.merged_into, DISTRIBUTOR)
    return item


def counts_twice(member_id: str) -> bool:
    """Tell whether somebody may count twice as a customer of this distributor: where customers are still to be moved of
    one who turned out to be them, and who counts as both is taken off with that."""
    member = current(member_id)
    former = [] if member is None else [one.member_id for one in member.absorbed if not one.settled]
    where = Distributors.part.startswith(CUSTOMER)
    return any(read.query(Distributors, one, where=where, limit=1, consistent=True)[0] for one in former)


def load(member_id: str) -> Distributor:
    """Read the distributor. Raises `not_found` for a member who never applied."""
    return find(member_id).value.distributor


def state_of(member_id: str) -> DistributorState | None:
    """Find the state of a distributor; None for a member who never applied."""
    item = read.get(Distributors, member_id, DISTRIBUTOR)
    return None if item is None else item.distributor.state


def sharing_distributor(member_id: str) -> Distributor:
    """Read a distributor who is about to share. Raises `not_found`; `distributor_state` unless they are active."""
    distributor = load(member_id)
    if distributor.state != "active":
        raise distributor_state(distributor.state, "share")
    return distributor
