"""Very many members of a mall that runs, made past its API: a phone and a "yes" to SMS each.

    python -m tests.support.many <clock file> <count>

prints their ids. Whoever needs them runs it in the mall's environment: `Mall.run`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from local.clock import LocalClock
from local.mall import Mall

_AT_ONCE = 8


def members(mall: Mall, count: int) -> list[str]:
    """Make so many members; their ids."""
    printed = mall.run("tests.support.many", str(mall.clock_file), str(count))
    return printed.split()


def _maker() -> Callable[[int], str]:
    from chalicelib.customers.members.service import change_profile
    from chalicelib.growth.messaging.contacts import service as contacts
    from chalicelib.growth.messaging.rules import Choices, Preferences
    from tests.support.distribution import bare_member

    agreed = Preferences(media=Choices(sms=True))

    def make(number: int) -> str:
        member_id, phone = bare_member(), f"139{number:08}"
        change_profile(member_id, lambda profile, _: msgspec.structs.replace(profile, phone=phone))
        contacts.change(member_id, lambda before: msgspec.structs.replace(before, preferences=agreed))
        return member_id

    return make


def main() -> None:
    """Make them."""
    import app  # noqa: F401 - registers what wings ask of each other
    from chalicelib.core import clock

    clock.use(LocalClock(Path(sys.argv[1])))
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        print(*pool.map(_maker(), range(int(sys.argv[2]))), sep="\n")


if __name__ == "__main__":
    main()
