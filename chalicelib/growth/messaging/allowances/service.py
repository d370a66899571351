"""Counting what users let through: + 1 for each time they accept, once for each event that says so.

What a message takes and gives back is in sending/ and returning/. In WeChat's settings a user may take a template from
the mall: then nothing of it is left.
"""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.core import ids
from chalicelib.core.errors import MallError, invalid
from chalicelib.customers.members.finding.queries import whoever_is
from chalicelib.customers.members.queries import profile
from chalicelib.customers.members.rules import openid_of
from chalicelib.customers.members.service import stays
from chalicelib.growth.messaging.allowances.rules import Said
from chalicelib.growth.messaging.contacts.queries import reach
from chalicelib.growth.messaging.contacts.rules import with_mark
from chalicelib.growth.messaging.refusals import NO_SUCH_TEMPLATE
from chalicelib.growth.messaging.rules import Allowance, Heard
from chalicelib.growth.messaging.settings import MEDIA
from chalicelib.growth.messaging.tables import Contacts, allowance_part
from chalicelib.growth.messaging.templates.queries import templates_at_wechat
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import TRIES_CROWDED, Conflict, commit, retry


def heard(member_id: str, openid: str, said: Sequence[Said]) -> None:
    """Count what WeChat's events say that this openid of the member's has let through; each event is counted once.
    Nothing where the mini-program's own reports count, or the member is gone. Raises `conflict`, `unavailable`."""
    if MEDIA.current().allowances_from != "push":
        return
    member = whoever_is(member_id)
    if member is not None:
        for one in said:
            _count(member.member_id, openid, one)


def switched_off(member_id: str, openid: str, said: Said) -> None:
    """Note that the user has taken a template from the mall, in WeChat's settings: nothing of it is left. Told again,
    what they have let through since then stays. Raises `conflict`, `unavailable`."""
    member = whoever_is(member_id)
    if member is not None:
        retry(lambda: _empty(member.member_id, openid, said), TRIES_CROWDED)


def reported(member_id: str, subject: str, key: str, results: Sequence[tuple[str, str]]) -> list[Allowance]:
    """Count what the mini-program says that its user has let through, by their login of this `subject`, where its word
    counts; with the same `key` it is counted once. Gives what is left of these templates.

    Raises `source_is_push` where WeChat's word counts, `invalid` for a template that none of the mall's goes by,
    `conflict`.
    """
    if MEDIA.fresh().allowances_from != "client":
        raise MallError("source_is_push")
    known = templates_at_wechat()
    for place, (template_id, _) in enumerate(results):
        if template_id not in known:
            raise invalid(NO_SUCH_TEMPLATE.at(f"results[{place}].template_id"))
    member = profile(member_id)
    openid = openid_of(member, subject)
    mark = key or ids.new("")
    for place, (template_id, result) in enumerate(results):
        _count(member_id, openid, Said(template_id, result, f"{mark}|{place}"))
    named = [template_id for template_id, _ in results]
    return [one for one in reach(profile(member_id)).allowances if one.template_id in named and one.openid == openid]


def _count(member_id: str, openid: str, said: Said) -> None:
    if said.lets_through:
        retry(lambda: _add(member_id, openid, said), TRIES_CROWDED)


def _add(member_id: str, openid: str, said: Said) -> None:
    part = allowance_part(openid, said.template_id)
    item = read.get(Contacts, member_id, part)
    marks = [] if item is None or item.heard is None else item.heard.marks
    if said.mark in marks:
        return
    version = 0 if item is None else int(item.version)
    tx = Transaction()
    marked = Heard(with_mark(marks, said.mark))
    changes = [Contacts.left.add(1), Contacts.heard.set(marked), Contacts.version.set(version + 1)]
    as_read = Contacts.version == version if version else Contacts.member_id.does_not_exist()
    tx.update(Contacts, (member_id, part), changes, as_read, Conflict)
    if not version:
        stays(tx, member_id)
    commit(tx)


def _empty(member_id: str, openid: str, said: Said) -> None:
    part = allowance_part(openid, said.template_id)
    item = read.get(Contacts, member_id, part)
    marks = [] if item is None or item.heard is None else item.heard.marks
    if item is None or said.mark in marks:
        return
    tx = Transaction()
    marked = Heard(with_mark(marks, said.mark))
    changes = [Contacts.left.set(0), Contacts.heard.set(marked), Contacts.version.set(int(item.version) + 1)]
    tx.update(Contacts, (member_id, part), changes, Contacts.version == int(item.version), Conflict)
    commit(tx)
