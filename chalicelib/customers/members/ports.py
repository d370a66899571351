"""What members asks of the wings above: who keeps something of a person, who is told as a member joins or changes, who
keeps the ways by which members come, which segments a member sees, and what follows from what WeChat tells of messages.

app.py registers them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Protocol

import msgspec

from chalicelib.core.errors import FieldError, Reason
from chalicelib.customers.members.refusals import SOMETHING_OPEN
from chalicelib.customers.members.rules import Profile, Visit
from chalicelib.platform.store.transaction import Transaction

#: A page of what is kept of a member, from that position on (None: from the start), and where the next one starts.
Pages = Callable[[str, str | None], tuple[list[Any], str | None]]


#: Moves what is kept of the first member to the second, who turned out to be the same person: one bounded step, from
#: that position on (None: from the start); gives where the next step starts (None: all is moved). A step that is done
#: again changes nothing.
Absorb = Callable[[str, str, str | None], str | None]


def absorbed_already(_former: str, _member_id: str, _position: str | None) -> None:
    """Move nothing: what is kept there moves as the two become one, or is shown with what is elsewhere."""


def _blocks_nothing(_member_id: str) -> bool:
    return False


def _erases_nothing(_member_id: str) -> None:
    pass


def _hands_nothing_on(_former: str, _member_id: str) -> None:
    pass


def _closes_nothing(_member_id: str, _waive_balance: bool, _tx: Transaction) -> FieldError | None:
    return None


class DataOwner(msgspec.Struct, frozen=True):
    """One kind of thing that a wing keeps of members, as its personal_data.py lists it in DATA_OWNERS.

    `pages` shows it under `name`; `blocks_erasure` says whether something there must end before the member may go, and
    `hindrance` what the member is told then. `close` adds to the deletion's transaction what ends with the account, for
    a member who gives up what is left of their balance or does not (True: they do); or gives what they must do first,
    and adds nothing that matters then. `erase` takes the person out of it afterwards and may be called twice.

    `hand_on` is for who was the former member, was erased, and is about to be the other one: what limits count for a
    person goes on where it stood. What is there already stays as it is: it may be called again, also late.

    `absorb` is for two members who turn out to be one person; it runs in the background, owner after owner, when the
    first of them is already the second, and again a minute and a day later. Each step moves what is left. What must
    wait for something to end is left, all else is moved, and the last step raises RetryLater.
    """

    name: str
    pages: Pages
    absorb: Absorb
    blocks_erasure: Callable[[str], bool] = _blocks_nothing
    erase: Callable[[str], None] = _erases_nothing
    hindrance: Reason = SOMETHING_OPEN
    close: Callable[[str, bool, Transaction], FieldError | None] = _closes_nothing
    hand_on: Callable[[str, str], None] = _hands_nothing_on


_find: Callable[[], Sequence[DataOwner]] | None = None


def register_data_owners(find: Callable[[], Sequence[DataOwner]]) -> None:
    """Let `find` give the owners of all wings from now on, in the order of the wings; called when one is needed."""
    global _find
    _find = find


def data_owners() -> Sequence[DataOwner]:
    """Give the owners of all wings. Raises RuntimeError when none were registered."""
    if _find is None:
        raise RuntimeError("nobody has registered who keeps personal data")
    return _find()


class MemberObserver(Protocol):
    """What the wing above does as a member joins or changes: everything that it adds goes into the same transaction,
    and it may be asked again when another writer was quicker."""

    def joined(self, tx: Transaction, member: Profile) -> None:
        """A member joins, as part of `tx`."""

    def changed(self, tx: Transaction, before: Profile, after: Profile) -> None:
        """The profile becomes another one, as part of `tx`, which holds that it is still the one before."""


_observers: tuple[MemberObserver, ...] | None = None


def register_observers(*observers: MemberObserver) -> None:
    """Tell these observers from now on, in this order, and no others."""
    global _observers
    _observers = observers


def observers() -> tuple[MemberObserver, ...]:
    """The registered observers. Raises RuntimeError when none were registered."""
    if _observers is None:
        raise RuntimeError("no wing has registered its observers of members")
    return _observers


class Visitors(Protocol):
    """What the wing above keeps of the ways by which members come."""

    def came(self, tx: Transaction, member: Profile, visit: Visit) -> bool:
        """A member, who may be about to join, comes by; add to `tx` what is kept of it, and say whether that is
        anything. Of who comes directly nothing is, and nothing is read. It may be called again, as what decides may."""


_visitors: Visitors | None = None


def register_visitors(visitors: Visitors) -> None:
    """Tell these of visits from now on."""
    global _visitors
    _visitors = visitors


def visitors() -> Visitors:
    """The registered visitors. Raises RuntimeError when none were registered."""
    if _visitors is None:
        raise RuntimeError("no wing has registered what it keeps of visits")
    return _visitors


class ShownSegment(msgspec.Struct, frozen=True):
    """A segment that its members see they are in."""

    segment_id: str
    name: str


class MemberSegments(Protocol):
    """What the wing above knows of the segments and tags of a member."""

    def shown(self, member: Profile) -> tuple[list[ShownSegment], list[str]]:
        """Give the segments that the member sees they are in, and the names of their tags, as of now."""


_segments: MemberSegments | None = None


def register_segments(segments: MemberSegments) -> None:
    """Let these segments answer from now on."""
    global _segments
    _segments = segments


def segments() -> MemberSegments:
    """The registered segments. Raises RuntimeError when none were registered."""
    if _segments is None:
        raise RuntimeError("no wing has registered the segments of members")
    return _segments


class Correspondence(Protocol):
    """What the wing above does about what WeChat tells of messages, and of users who write back."""

    def heard(self, account: Literal["mini", "oa"], openid: str, fields: Mapping[str, Any], at: datetime) -> bool:
        """WeChat tells this of a user of the mini-program's or the official account's, which happened at that time.
        Whether anything is done about it; that is done as this returns, and told again it changes nothing. What members
        hear themselves is told, too."""


_correspondence: Correspondence | None = None


def register_correspondence(correspondence: Correspondence) -> None:
    """Tell this one from now on."""
    global _correspondence
    _correspondence = correspondence


def correspondence() -> Correspondence:
    """The registered one. Raises RuntimeError when none was registered."""
    if _correspondence is None:
        raise RuntimeError("no wing has registered what it does about messages")
    return _correspondence
