"""Whole malls at random: every book is held against formulas that are not the mall's.

Purchases with coupons and promotions of all kinds, group-buys, ladders and lotteries, commissions, refunds in any
order, bad days of WeChat with codes that nobody knows; every fourth deed has another one done between what it reads and
what it commits. In the end everything has come to its end, and nothing differs.

    MALLS=200 DEEDS=300 MALL_SEED=7 .venv/bin/pytest tests/faults/test_random_malls.py

plays so many malls of so many deeds, from that seed; FIRST_MALL=12 begins with that one of them. Without them a few
short ones are played, from another seed each time. A mall that differs is told with its seed, and all that was done.
"""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.random_malls import play_all

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.random_play import Play

MALLS = int(os.environ.get("MALLS", "4"))
DEEDS = int(os.environ.get("DEEDS", "120"))
FIRST = int(os.environ.get("FIRST_MALL", "0"))
SEED = int(os.environ.get("MALL_SEED") or random.SystemRandom().randrange(10**6))
#: Where the deeds of malls that differ are written to, one file each; told with the failure where it is not set.
LOG = os.environ.get("MALL_LOG")


def test_no_mall_differs_from_what_independent_formulas_say(dynamodb: str) -> None:
    failed = play_all("random", range(FIRST, FIRST + MALLS), _played, _told)
    assert not failed, f"{len(failed)} of {MALLS} malls differ: MALL_SEED={SEED}"
    print("no difference")


def _played(number: int) -> Play:
    from tests.support.random_books import check_end
    from tests.support.random_limits import check_now
    from tests.support.random_play import Play
    from tests.support.random_stage import stage
    from tests.support.random_wechat import Wechat, spelling

    chance = random.Random(f"{SEED}/{number}")
    with stage(f"{SEED}-{number}", chance) as (mall, clock, hooks):
        wechat = Wechat(chance, spelling(chance))
        with wechat.opened():
            play = Play(mall, clock, hooks, wechat, chance)
            names = _deeds()
            for _ in range(DEEDS):
                clock.advance(0.01)
                wechat.arrive()
                first = chance.choice(names)
                if chance.random() < 0.25:
                    play.at_once(first, chance.choice([one for one in names if "wait" not in one[0]]))
                else:
                    play.alone(*first)
                check_now(play)
            play.rest()
            check_end(play)
    return play


def _deeds() -> list[tuple[str, Callable[[Play], str]]]:
    from tests.support import random_deeds as shop
    from tests.support import random_groups as groups
    from tests.support import random_withdrawals as accounts

    often = [
        (shop.buy, 12), (shop.claim_coupon, 7), (shop.begin, 3), (shop.pay, 3), (shop.tell, 2), (shop.cancel, 2),
        (shop.ship, 6), (shop.receive, 4), (shop.ask_back, 9), (shop.answer, 3), (shop.tell_refund, 2),
        (shop.change_promotion, 2), (shop.storm, 2), (shop.wait, 5), (shop.wait_days, 1), (shop.work, 5),
        (shop.next_job, 4), (groups.make_activity, 3), (groups.open_lobby, 5), (groups.join_lobby, 7),
        (groups.rush_lobby, 8), (groups.end_activity, 1), (groups.wait_for_group, 2), (accounts.withdraw, 2),
        (accounts.confirm, 2), (accounts.call_off, 1), (accounts.review, 1),
    ]  # fmt: skip
    return [(deed.__name__, deed) for deed, times in often for _ in range(times)]


def _told(number: int, play: Play) -> str:
    head = f"mall {number} of MALL_SEED={SEED} (FIRST_MALL={number} MALLS=1 DEEDS={DEEDS}): {play.wechat.words}"
    log = "\n".join(f"[{index}] {line}" for index, line in enumerate(play.log))
    found = "\n  ".join([head, *play.differences])
    if LOG is None:
        return f"{log}\n{found}"
    (Path(LOG) / f"mall-{SEED}-{number}.txt").write_text(f"{log}\n{found}\n")
    return found
