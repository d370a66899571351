"""All that the mall knows of a member, as operators are shown it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec
from msgspec import UNSET, UnsetType

from chalicelib.commerce.coupons.rules import CouponState, Held
from chalicelib.commerce.coupons.views import CouponView, coupon_view
from chalicelib.commerce.orders.rules import Order, State
from chalicelib.customers.channels.touches.rules import Touch
from chalicelib.customers.events.views import EventView
from chalicelib.customers.members.consents.rules import Consent, standing
from chalicelib.customers.members.identities.rules import Absorbed, Evidence, How, Kind, Trust, trust_of
from chalicelib.customers.members.identities.rules import Identity as Known
from chalicelib.customers.members.rules import Birthday, Block, Invite, Profile, Segment, Source
from chalicelib.customers.members.tables import identities_of, identity_id
from chalicelib.growth.distribution.views import AdminCommission, AdminDistributorDetail, BindingView
from chalicelib.growth.journeys.views import RunView
from chalicelib.growth.messaging.contacts.queries import Reach
from chalicelib.growth.messaging.preferences.views import MediaView, media_view
from chalicelib.growth.messaging.rules import Medium, Message, Purpose, QuietHours, Stated
from chalicelib.growth.messaging.rules import State as MessageState
from chalicelib.growth.messaging.tasks.rules import Assignee, Task
from chalicelib.growth.messaging.views import AllowanceView
from chalicelib.growth.segments.explaining.queries import Reason
from chalicelib.growth.segments.explaining.rules import Why
from chalicelib.growth.segments.views import MemberTag
from chalicelib.insight.portraits.rules import Bought, masked_id, masked_phone

#: How many coupons are shown of each state.
_COUPONS = 20


class PersonView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a member says of themselves, and how they stand with the mall. `returned`: they left once, and came back."""

    nickname: str
    avatar_url: str
    phone: str
    birthday: Birthday | None = None
    joined_at: datetime
    last_seen: datetime | None = None
    returned: bool = False
    blocked: Block | None = None
    closed_at_wechat: datetime | None = None
    follows_oa: bool = False


class IdentityView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An id by which the member is known: how that is known, since when, what it proves (docs/identity.md); the id
    itself masked. `identity` names it to whom takes it out of the member again; a phone that another member has given
    before has none."""

    identity: str | UnsetType = UNSET
    kind: Kind
    evidence: Evidence
    since: datetime
    trust: Trust
    masked: str


class AbsorbedView(msgspec.Struct, frozen=True, kw_only=True):
    """A member who turned out to be this one; until it is `settled`, some of what was theirs is not shown yet."""

    member_id: str
    merge_id: str
    at: datetime
    how: How
    settled: bool


class TraitsView(Bought, frozen=True, kw_only=True):
    """What the rules of segments go by: what was bought, and whether the member is a distributor (null: they never
    were)."""

    distributor: str | None


class SegmentOfMember(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A segment that the member is in now: since when, and why, part by part of its rule."""

    segment_id: str
    name: str
    since: datetime | None
    building: bool = False
    undecided: bool = False
    why: Why | None = None


class OrderCard(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An order in short: `name` is that of its first line, `pieces` all that was ordered."""

    order_id: str
    state: State
    name: str
    pieces: int
    payable_fen: int
    paid_fen: int
    refunded_fen: int
    created_at: datetime
    paid_at: datetime | None = None


class OrdersView(msgspec.Struct, frozen=True, kw_only=True):
    """The member's orders: how many in which state (of the latest, where they are not `counted_all`), what was paid for
    all of them and not given back, in fen, and the latest ones."""

    counts: dict[str, int]
    counted_all: bool
    gmv_fen: int
    latest: list[OrderCard]


class CouponsView(msgspec.Struct, frozen=True, kw_only=True):
    """The member's coupons: how many in which state (of those that end last, where they are not `counted_all`), and the
    first of each state by their end, the last ones first."""

    counts: dict[CouponState, int]
    counted_all: bool
    items: list[CouponView]


class DistributionView(msgspec.Struct, frozen=True, kw_only=True):
    """To whom the member is bound; and, of a distributor, their account and their latest commissions."""

    tie: BindingView | None
    distributor: AdminDistributorDetail | None
    commissions: list[AdminCommission]


class TouchesView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where the member came from first and last, the links that they were invited by, and the last 16 ways by which
    they came, with who vouches for each; both the latest first."""

    first: Source | UnsetType = UNSET
    last: Source | UnsetType = UNSET
    invites: list[Invite]
    ways: list[Touch]


class ConsentsView(msgspec.Struct, frozen=True, kw_only=True):
    """What the member agreed to and took back, and whether offers may be chosen for them by what they did."""

    consents: list[Consent]
    personalised: bool


class WishesView(msgspec.Struct, frozen=True, kw_only=True):
    """By what the member wants to be written to, as they see it themselves; when they said what, the latest first; and
    how many subscribe messages of which of WeChat's templates they have let through, and not got yet."""

    marketing: bool
    media: MediaView
    quiet: QuietHours | None
    said: list[Stated]
    allowances: list[AllowanceView]


class MessageInShort(msgspec.Struct, frozen=True, kw_only=True):
    """A message to the member, by its template's name: for what, by which medium, and what became of it, with why."""

    message_id: str
    template: str
    purpose: Purpose
    source: str
    medium: Medium | None
    state: MessageState
    reason: str
    queued_at: datetime
    held_until: datetime | None
    sent_at: datetime | None
    ended_at: datetime | None
    opened_at: datetime | None


class RunsView(msgspec.Struct, frozen=True, kw_only=True):
    """The member's ways through journeys: how many in which state (of some, where they are not `counted_all`), and
    those that they are in, with the latest of the others."""

    counts: dict[str, int]
    counted_all: bool
    items: list[RunView]


class TaskInShort(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody of the staff is to do for the member."""

    task_id: str
    title: str
    assignee: Assignee
    due_at: datetime
    overdue: bool
    source: str
    opened_at: datetime


class TasksView(msgspec.Struct, frozen=True, kw_only=True):
    """What the staff are to do, or did, for the member: how many tasks in which state (of the latest, where they are
    not `counted_all`), and which of them are open."""

    counts: dict[str, int]
    counted_all: bool
    open: list[TaskInShort]


class PortraitView(msgspec.Struct, frozen=True, kw_only=True):
    """A member seen whole. Parts that the operator may not read elsewhere are null, and named in `withheld`."""

    member_id: str
    person: PersonView
    identities: list[IdentityView]
    absorbed: list[AbsorbedView]
    life_cycle: Segment
    traits: TraitsView
    segments: list[SegmentOfMember]
    tags: list[MemberTag]
    orders: OrdersView | None
    coupons: CouponsView | None
    distribution: DistributionView | None
    touches: TouchesView
    events: list[EventView]
    consents: ConsentsView
    preferences: WishesView
    messages: list[MessageInShort] | None
    runs: RunsView | None
    tasks: TasksView | None
    withheld: list[str]


def person_view(member: Profile) -> PersonView:
    """Show who the member is."""
    return PersonView(
        nickname=member.nickname,
        avatar_url=member.avatar_url,
        phone=masked_phone(member.phone),
        birthday=member.birthday,
        joined_at=member.joined_at,
        last_seen=member.last_seen,
        returned=member.returned,
        blocked=member.blocked,
        closed_at_wechat=member.closed_at_wechat,
        follows_oa=member.follows_oa,
    )


def identities_shown(member: Profile) -> list[IdentityView]:
    """Show by which ids the member is known: the login of their own first, and the phone last."""
    known = {one.key: one for one in member.identities}
    own = (key for key in identities_of(member) if key not in known)
    found = [*(Known(key=key, evidence="login", at=member.joined_at) for key in own), *member.identities]
    shown = [_identity(one, masked_id(one.key)) for one in found if one.kind != "phone"]
    if member.phone is None:
        return shown
    given = standing(member.consents, "phone")
    since = member.joined_at if given is None else given.at
    phone = next((one for one in found if one.kind == "phone"), Known(key="phone:", evidence="phone", at=since))
    return [*shown, _identity(phone, masked_phone(member.phone))]


def _identity(known: Known, masked: str) -> IdentityView:
    return IdentityView(
        identity=UNSET if known.key == "phone:" else identity_id(known.key),
        kind=known.kind, evidence=known.evidence, since=known.at, trust=trust_of(known.key), masked=masked,
    )  # fmt: skip


def absorbed_view(one: Absorbed) -> AbsorbedView:
    """Show who turned out to be the member."""
    return AbsorbedView(member_id=one.member_id, merge_id=one.merge_id, at=one.at, how=one.how, settled=one.settled)


def segment_of_member(name: str, reason: Reason) -> SegmentOfMember:
    """Show a segment that a member is in."""
    return SegmentOfMember(
        segment_id=reason.segment_id, name=name, since=reason.since, building=reason.building,
        undecided=reason.undecided, why=reason.why,
    )  # fmt: skip


def order_card(order: Order) -> OrderCard:
    """Show an order in short."""
    same = ("order_id", "state", "payable_fen", "paid_fen", "refunded_fen", "created_at", "paid_at")
    pieces = sum(line.quantity for line in order.lines)
    return OrderCard(name=order.lines[0].name, pieces=pieces, **{field: getattr(order, field) for field in same})


def coupons_view(held: Sequence[Held], counted_all: bool, now: datetime) -> CouponsView:
    """Show the coupons that a member has or had."""
    states = [one.state_at(now) for one in held]
    places = Counter[CouponState]()
    shown: list[CouponView] = []
    for one, state in zip(held, states, strict=True):
        places[state] += 1
        if places[state] <= _COUPONS:
            shown.append(coupon_view(one))
    return CouponsView(counts=dict(places), counted_all=counted_all, items=shown)


def wishes_view(reach: Reach) -> WishesView:
    """Show by what a member wants to be written to, and what they have let through, whichever openid of theirs did."""
    wishes = reach.contact.preferences
    left = Counter[str]()
    for one in reach.allowances:
        left[one.template_id] += one.left
    return WishesView(
        marketing=wishes.marketing, media=media_view(wishes.media), quiet=wishes.quiet, said=reach.contact.said[::-1],
        allowances=[AllowanceView(template_id, count) for template_id, count in sorted(left.items())],
    )  # fmt: skip


def message_in_short(message: Message, names: Mapping[str, str]) -> MessageInShort:
    """Show a message in short; `names` are those of the templates."""
    same = [name for name in MessageInShort.__struct_fields__ if name != "template"]
    return MessageInShort(
        template=names.get(message.template_id, ""), **{field: getattr(message, field) for field in same}
    )  # fmt: skip


def tasks_view(tasks: Sequence[Task], counted_all: bool, now: datetime) -> TasksView:
    """Show tasks about a member, those that are open by when they are due."""
    still = sorted((task for task in tasks if task.state == "open"), key=lambda task: (task.due_at, task.task_id))
    same = ("task_id", "title", "assignee", "due_at", "source", "opened_at")
    return TasksView(
        counts=dict(sorted(Counter(task.state for task in tasks).items())),
        counted_all=counted_all,
        open=[
            TaskInShort(overdue=task.is_overdue(now), **{field: getattr(task, field) for field in same})
            for task in still
        ],
    )
