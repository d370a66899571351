"""Messages for tests in this process: templates, members who can be reached, and platforms that are a list."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from chalicelib.core import clock, ids
from chalicelib.core.errors import OutsideError
from chalicelib.core.settings import settings
from chalicelib.customers.members.identities.rules import Identity
from chalicelib.customers.members.service import change_profile
from chalicelib.growth.messaging import queries
from chalicelib.growth.messaging.allowances import service as allowances
from chalicelib.growth.messaging.allowances.rules import Said
from chalicelib.growth.messaging.carrying import service as carrying
from chalicelib.growth.messaging.carrying.rules import Letter
from chalicelib.growth.messaging.outgoing import service as outgoing
from chalicelib.growth.messaging.rules import Asked, Message, Template
from chalicelib.growth.messaging.tables import ALL, MessageTemplates, version_part
from chalicelib.growth.messaging.templates.rules import UNSUBSCRIBE
from chalicelib.platform.jobs import worker
from chalicelib.platform.jobs.tables import DEAD
from chalicelib.platform.store.transaction import Transaction, save
from local.clock import LocalClock
from local.jobs import all_jobs
from tests.support.distribution import bare_member

#: A wall clock at which nobody is asleep, and no day begins soon.
NOON = 12 * 3600
DAY = 86400


class Refusal(OutsideError):
    """What a platform's client raises."""

    def __init__(self, code: str, outcome_unknown: bool = False, retryable: bool = False) -> None:
        super().__init__(code)
        self.code = code
        self.http: int | None = 200
        self.outcome_unknown = outcome_unknown
        self.retryable = retryable

    @property
    def passing(self) -> bool:
        return self.retryable or self.outcome_unknown


class Platforms:
    """All platforms as one: what they took, and what they refuse. `meanwhile` happens while they are being called."""

    def __init__(self) -> None:
        self.took: list[Letter] = []
        self.times: list[float] = []
        self.refuses: Callable[[Letter], Exception | None] = lambda _: None
        self.meanwhile: Callable[[Letter], None] = lambda _: None
        self._lock = threading.Lock()

    def handed(self, letter: Letter) -> str:
        """Take a letter, or refuse it."""
        fault = self.refuses(letter)
        self.meanwhile(letter)
        if fault is None or getattr(fault, "outcome_unknown", False):
            with self._lock:
                self.took.append(letter)
                self.times.append(clock.now().timestamp())
        if fault is not None:
            raise fault
        return f"ref-{letter.message_id}" if letter.way in ("sms", "template") else ""

    def of(self, message_id: str) -> list[str]:
        """In which forms the message was taken."""
        return [letter.way for letter in self.took if letter.message_id == message_id]


@contextlib.contextmanager
def platforms() -> Iterator[Platforms]:
    """Nobody outside is called meanwhile: these are."""
    made = Platforms()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(carrying, "handed", made.handed)
        yield made


def to_noon(held: LocalClock) -> None:
    """It is the next noon of Asia/Shanghai."""
    to_time(held, NOON)


def to_time(held: LocalClock, seconds: float) -> None:
    """It is so many seconds after a midnight of Asia/Shanghai, the next time."""
    now = clock.now().astimezone(clock.SHANGHAI)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    held.advance((seconds - (now - midnight).total_seconds()) % DAY)


def template(**changes: Any) -> Template:
    """A template, of an SMS that helps unless said otherwise."""
    fields: dict[str, Any] = {
        "template_id": ids.new("mt"), "version": 1, "name": "到货", "purpose": "service", "media": ["sms"],
        "text": "{product}到了", "vars": ["product"], "created_at": clock.now(), "updated_at": clock.now(),
    }  # fmt: skip
    if changes.get("purpose") == "marketing":
        fields["text"] += UNSUBSCRIBE
    made = Template(**{**fields, **changes})
    save(MessageTemplates(ALL, made.template_id, template=made))
    save(MessageTemplates(ALL, version_part(made.template_id, made.version), template=made))
    return made


def asked(template_id: str, member_id: str = "", **changes: Any) -> Asked:
    """A message that is asked for."""
    fields: dict[str, Any] = {
        "message_id": ids.new("ms"), "member_id": member_id or ids.new("m"), "template_id": template_id,
        "values": {"product": "茶"}, "source": "journey:j1", "expires_at": clock.now() + timedelta(days=3),
    }  # fmt: skip
    return Asked(**{**fields, **changes})


def queue(one: Asked) -> str:
    """Queue it; its id."""
    tx = Transaction()
    outgoing.queue(tx, one)
    assert len(tx) == outgoing.ACTIONS
    tx.commit()
    return one.message_id


def member(phone: str | None = "13800138000", follows: bool = False) -> str:
    """Somebody new with a phone; who follows the official account, if they do."""
    member_id = bare_member()

    def known(profile: Any, _: Transaction) -> Any:
        followed = Identity(key=f"oa:{settings().wechat_oa_appid}:oa-{member_id}", evidence="follow", at=clock.now())
        more = {"identities": [*profile.identities, followed], "follows_oa": True} if follows else {}
        return msgspec.structs.replace(profile, phone=phone, **more)

    change_profile(member_id, known)
    return member_id


def set_phone(member_id: str, phone: str) -> None:
    """The member has this phone."""
    change_profile(member_id, lambda profile, _: msgspec.structs.replace(profile, phone=phone))


def openid_of(member_id: str) -> str:
    """Their openid of the mini-program."""
    from chalicelib.customers.members.queries import profile

    return profile(member_id).openid


def lets_through(member_id: str, template_id: str, times: int = 1) -> None:
    """The member lets messages of a template of WeChat's through, as its events say."""
    said = [Said(template_id, "accept", ids.new("")) for _ in range(times)]
    allowances.heard(member_id, openid_of(member_id), said)


def left_of(member_id: str, template_id: str) -> int:
    """How many are left of it."""
    from chalicelib.customers.members.queries import profile
    from chalicelib.growth.messaging.contacts.queries import allowances_of

    return sum(one.left for one in allowances_of(profile(member_id)) if one.template_id == template_id)


def found(message_id: str) -> Message:
    """The message as it is now."""
    return queries.message(message_id).value


def state(message_id: str) -> str:
    """In which state it is, with the reason where there is one."""
    one = found(message_id)
    return f"{one.state}:{one.reason}" if one.reason else one.state


def run(held: LocalClock | None = None, seconds: float = 0) -> None:
    """Run what is due of messages, so many seconds from now, until nothing is."""
    if held is not None:
        held.advance(seconds)
    for _ in range(50):
        now = clock.stamp(clock.now()) + "~"
        due = [job for job in all_jobs() if job.shard != DEAD and job.due <= now and "messaging." in job.task.kind]
        due = [job for job in due if float(job.leased_until or 0) / 1000 < clock.now().timestamp()]
        if not due:
            return
        for job in due:
            worker.run_one(job)
    raise AssertionError("the jobs do not come to an end")
