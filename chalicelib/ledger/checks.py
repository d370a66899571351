"""The audit of balances: recompute each from the entries, and name every difference. Pure; no formula of the rules is
used, and what accounts are called is written here once more."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping

import msgspec

from chalicelib.core import clock
from chalicelib.core.difference import Difference
from chalicelib.ledger.rules import Balance, Entry, Month, Turnover

WECHAT = "wechat"
GOODS = "sales:goods"
FREIGHT = "sales:freight"
COUPONS = "discounts:coupons"
PROMOTIONS = "discounts:promotions"
REFUNDS_OWED = "refunds:owed"
SURPLUS = "payments:surplus"
COMMISSIONS = "commissions"
REWARDS = "rewards"
TAX = "tax:payable"
FEES = "fees"
PAYOUTS = "payouts"
#: Where balances go that nobody will withdraw.
WRITTEN_OFF = "balances:written-off"
GIVEN_UP = ("balances:waived", WRITTEN_OFF)
_MEMBER = "member:"
_KINDS = ("pending", "available", "withdrawing", "withdrawn")
#: What makes more of what the mall owes a member in a month, and what makes less of it.
_CAME = ("earned", "rewarded", "tax_returned", "transferred")
_WENT = ("reversed", "withdrawn", "written_off")
#: How the cause of an entry begins by which what a member had moved to the one who they turned out to be.
MERGED = "merge:"

#: Fen by account, or by the kind of a member's account.
Fen = Counter[str]


def on(entry: Entry, account: str) -> int:
    """Add up what an entry moves on an account, in fen: debits above zero."""
    return sum(posting.amount_fen for posting in entry.postings if posting.account == account)


def stands(entries: Iterable[Entry]) -> Fen:
    """Add up what each account stands at after these entries, in fen: debits above zero."""
    found: Fen = Counter()
    for entry in entries:
        for posting in entry.postings:
            found[posting.account] += posting.amount_fen
    return found


def of_members(entry: Entry) -> dict[str, Fen]:
    """Say what an entry adds to the accounts of members, in fen, by member and kind."""
    found: dict[str, Fen] = defaultdict(Counter)
    for posting in entry.postings:
        if posting.account.startswith(_MEMBER):
            _, member_id, kind = posting.account.split(":")
            found[member_id][kind] -= posting.amount_fen
    return dict(found)


def audit_balances(
    entries: Iterable[Entry],
    balances: Mapping[str, Balance],
    months: Mapping[str, Iterable[Month]],
    only: Collection[str] | None = None,
) -> list[Difference]:
    """List every difference of members' balances and months, by member, from what their entries come to; of these
    members `only`, where all entries of others are not there."""
    now: dict[str, Fen] = defaultdict(Counter)
    by_month: dict[tuple[str, str], Fen] = defaultdict(Counter)
    twice: list[Difference] = []
    for entry in entries:
        concerned = of_members(entry)
        if len(concerned) > 1 and not _is_merge(entry, concerned):
            twice.append(Difference(entry.about, f"entry {entry.cause} concerns {len(concerned)} members"))
        for member_id, change in concerned.items():
            if only is not None and member_id not in only:
                continue
            now[member_id].update(change)
            if turnover := _turnover(entry, change):
                by_month[member_id, clock.day(entry.at).isoformat()[:7]].update(turnover)
    has = {member_id: _of(balance, _KINDS) for member_id, balance in balances.items()}
    found = twice + [
        Difference(member_id, f"has {_said(has.get(member_id))}, its entries say {_said(now.get(member_id))}")
        for member_id in sorted(has.keys() | now.keys())
        if _nonzero(has.get(member_id)) != _nonzero(now.get(member_id))
    ]
    kept = {(member_id, one.month): _of_month(one) for member_id, its in months.items() for one in its}
    found += [
        Difference(f"{member_id} {name}", f"{_said(kept.get(key))}, its entries say {_said(by_month.get(key))}")
        for key in sorted(kept.keys() | by_month.keys())
        if _nonzero(kept.get(key)) != _nonzero(by_month.get(key))
        for member_id, name in [key]
    ]
    for member_id in sorted(balances.keys() | months.keys()):
        found += of_statement(member_id, balances.get(member_id, Balance()), months.get(member_id, ()))
    return found


def of_statement(member_id: str, balance: Balance, months: Iterable[Month]) -> list[Difference]:
    """Check a member's balance against what came and went in all their months."""
    came: Fen = Counter()
    for one in months:
        came.update(_of(one.turnover, Turnover.__struct_fields__))
    closing = sum(came[name] for name in _CAME) - sum(came[name] for name in _WENT)
    owed = balance.pending + balance.available + balance.withdrawing
    if closing == owed:
        return []
    return [Difference(member_id, f"statements close with {closing} fen, the balance is {owed}")]


def _is_merge(entry: Entry, concerned: Mapping[str, Fen]) -> bool:
    """Whether it moves to one member just what it takes from the other, of whom it is told, and nothing on its way."""
    ours, theirs = concerned.get(entry.about, Counter()), [concerned[one] for one in concerned if one != entry.about]
    mirrored = len(theirs) == 1 and all(theirs[0][kind] == -ours[kind] for kind in _KINDS)
    return entry.cause.startswith(MERGED) and mirrored and not ours["withdrawing"]


def _turnover(entry: Entry, change: Fen) -> Fen:
    """What an entry counts as in its member's month: commissions by their day, too."""
    if entry.cause.startswith(MERGED):
        return Counter(_nonzero(Counter(transferred=sum(change[kind] for kind in _KINDS[:3]))))
    commission, is_back = on(entry, COMMISSIONS), entry.cause == "failed"
    found: Fen = Counter(
        earned=max(commission, 0), reversed=max(-commission, 0), rewarded=on(entry, REWARDS),
        withdrawn=0 if is_back else change["withdrawn"], tax_returned=-change["withdrawn"] if is_back else 0,
        written_off=-sum(on(entry, account) for account in GIVEN_UP),
    )  # fmt: skip
    if commission:
        found[f"d{clock.day(entry.at).day}"] = commission
    return Counter(_nonzero(found))


def _of_month(one: Month) -> Fen:
    found = _of(one.turnover, Turnover.__struct_fields__)
    found.update({f"d{day}": fen for day, fen in one.days.items()})
    return found


def _of(told: msgspec.Struct, names: Iterable[str]) -> Fen:
    return Counter({name: getattr(told, name) for name in names})


def _nonzero(fen: Fen | None) -> dict[str, int]:
    return {name: count for name, count in (fen or {}).items() if count}


def _said(fen: Fen | None) -> str:
    return " ".join(f"{name} {count}" for name, count in _nonzero(fen).items()) or "nothing"
