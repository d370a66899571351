"""Random malls whose members turn out to be one person, at any write of anything else; some are taken out again.

As random malls are (tests/faults/test_random_malls.py), and every second deed has another one done between two of its
commits, be that a merge, or a step of what follows one.

    MERGED_MALLS=200 DEEDS=200 MALL_SEED=7 .venv/bin/pytest tests/faults/test_random_merges.py

plays so many malls of so many deeds, from that seed; FIRST_MALL=12 begins with that one of them.
"""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

from tests.support.random_malls import play_all

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.random_play import Play

MALLS = int(os.environ.get("MERGED_MALLS", "2"))
DEEDS = int(os.environ.get("DEEDS", "100"))
FIRST = int(os.environ.get("FIRST_MALL", "0"))
SEED = int(os.environ.get("MALL_SEED") or random.SystemRandom().randrange(10**6))


def test_wherever_two_become_one_no_book_differs(dynamodb: str) -> None:
    failed = play_all("random-merges", range(FIRST, FIRST + MALLS), _played, _told)
    assert not failed, f"{len(failed)} of {MALLS} malls differ: MALL_SEED={SEED}"
    print("no difference")


def _played(number: int) -> Play:
    from tests.support.random_books import check_end
    from tests.support.random_limits import check_now
    from tests.support.random_merges import check_merges
    from tests.support.random_play import Play
    from tests.support.random_stage import stage
    from tests.support.random_wechat import Wechat, spelling

    chance = random.Random(f"merged {SEED}/{number}")
    with stage(f"merged-{SEED}-{number}", chance) as (mall, clock, hooks):
        wechat = Wechat(chance, spelling(chance))
        with wechat.opened():
            play = Play(mall, clock, hooks, wechat, chance, commits=(0, 0, 1, 2, 4, 8, 16))
            names = _deeds()
            # Time stands still between what a worker writes and what it asks WeChat: turns a minute apart hold.
            between = [one for one in names if "wait" not in one[0] and one[0] != "next_job"]
            for _ in range(DEEDS):
                clock.advance(0.01)
                wechat.arrive()
                first = chance.choice(names)
                if chance.random() < 0.5:
                    play.at_once(first, chance.choice(between))
                else:
                    play.alone(*first)
                check_now(play)
            play.rest()
            check_end(play)
            check_merges(play)
    return play


def _deeds() -> list[tuple[str, Callable[[Play], str]]]:
    from tests.support import random_deeds as shop
    from tests.support import random_groups as groups
    from tests.support import random_merges as merges
    from tests.support import random_withdrawals as accounts

    often = [
        (shop.buy, 12), (shop.claim_coupon, 5), (shop.begin, 3), (shop.pay, 3), (shop.tell, 2), (shop.cancel, 2),
        (shop.ship, 5), (shop.receive, 4), (shop.ask_back, 6), (shop.answer, 2), (shop.tell_refund, 1),
        (shop.storm, 1), (shop.wait, 5), (shop.wait_days, 1), (shop.work, 6), (shop.next_job, 5),
        (groups.make_activity, 2), (groups.open_lobby, 4), (groups.join_lobby, 5), (groups.rush_lobby, 4),
        (groups.end_activity, 1), (accounts.withdraw, 3), (accounts.confirm, 2), (accounts.call_off, 1),
        (accounts.review, 1), (merges.merge_by_code, 3), (merges.merge_by_unionid, 3), (merges.order_again, 4),
        (merges.detach, 2),
    ]  # fmt: skip
    return [(deed.__name__, deed) for deed, times in often for _ in range(times)]


def _told(number: int, play: Play) -> str:
    head = f"mall {number} of MALL_SEED={SEED} (FIRST_MALL={number} MERGED_MALLS=1 DEEDS={DEEDS}): {play.wechat.words}"
    log = "\n".join(f"[{index}] {line}" for index, line in enumerate(play.log))
    return f"{log}\n" + "\n  ".join([head, *play.differences])
