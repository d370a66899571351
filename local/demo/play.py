"""The whole play: one purchase, from login to completion; one that nobody paid; one with a promotion and a coupon; two
group-buys, one that fills and one that does not; a commission, to the money; a member who passes from new to
first_order to silent; and one who goes down the ladder and up again. The audit has the last word.

The audit is run as an operator would run it, by its command and in a process of its own: nothing here imports it.
"""

from __future__ import annotations

from local.demo import coupons, distribution, groups, journeys, purchase, segments
from local.demo.stage import DAY, Demo

_AUDIT = "tools.audit"


def play(demo: Demo) -> None:
    """Play all of it. Raises Unexpected, and StartError when the audit finds a difference."""
    for part in (purchase, coupons, groups, distribution, segments, journeys):
        part.play(demo)
    demo.step("The audit: orders, journal, stock, coupons and WeChat's books against each other (`make audit`)")
    print(demo.mall.run(_AUDIT), end="")


def sum_up(demo: Demo) -> None:
    """Print what has been seen, and what stays."""
    days = demo.advanced_seconds / DAY
    print(
        f"\nAll {demo.steps} steps were as they should be. One order was paid, refunded in part, sent in two\n"
        "parcels, received and completed; one was closed unpaid, and its stock came back. A promotion and a\n"
        "coupon came off a third, which says so. Three shoppers filled a lobby; another lobby expired, and its\n"
        "leader has every fen back. A member brought another, and has the commission in her hands. Another came\n"
        "into a segment by what she did, left it by what she bought, and fell silent by the clock alone. A last\n"
        "one was given more off each time that she did not buy, and less each time that she did.\n"
        f"The clock of this mall is {days:.1f} days further than before, and stays so: tokens from before may\n"
        "have ended, and orders that others left unpaid are closed. `make clean` begins a new mall."
    )
