"""What each call of a purchase cannot do without: the least items that must be read and written, and why.

The floor is these items, each at its real size in the run, and nothing else. Who disagrees with a line here
disagrees with a figure of docs/bench.md. What is remembered for a moment by every process (freight templates, the
shop's rules, the category tree) is not in it, nor in what is measured beside it.
"""

from __future__ import annotations

from typing import NamedTuple


class Read(NamedTuple):
    """An item that must be read; `key` is how its key begins, after the hash key where there is a range key."""

    table: str
    key: str
    why: str
    consistent: bool = True


class Write(NamedTuple):
    """An item that must be written, with the index entries that follow from it."""

    table: str
    key: str
    why: str
    transactional: bool = True


Need = Read | Write

_ORDER = Read("orders", "", "the order decides what may be done with it, and its version guards the change")
_TOKEN = Read("members", "profile", "whether the token was called in, or its member is gone", consistent=False)
_CHANGED = Write("orders", "", "the order is what changes, with the queue that operators find it in")
_TRAITS: list[Need] = [
    Read("member_traits", "traits", "what rules know of the member, whose version guards the change"),
    Write("member_traits", "traits", "what the order counts for them from then on"),
]
_GUARD: list[Need] = [
    Read("operators", "operator", "a change of role takes effect at once"),
    Write(
        "audit_entries", "", "nothing happens unlogged: the entry is written before the call runs", transactional=False
    ),
    Write("audit_entries", "", "and closed with how it ended", transactional=False),
]

FLOORS: dict[str, list[Need]] = {
    "login (new member)": [
        Read("identities", "mini:", "is there a member with this openid"),
        Read("identities", "blocked:", "was there one who was blocked and left"),
        Write("identities", "", "one person is one member"),
        Write("members", "profile", "who they are"),
        Write("members", "addresses", "an empty book: later changes then need no case for the first one"),
        Write("member_traits", "traits", "what rules know of them, and when time may change it"),
        Write("jobs_of_many", "", "the lists follow"),
        Write("jobs_of_many", "", "somebody looks when that time has come"),
        Write("limits", "", "how often one person logs in is bounded", transactional=False),
    ],
    "login (known member)": [
        Read("identities", "", "whose openid this is"),
        Read("members", "profile", "the answer shows it"),
        Write("limits", "", "how often one person logs in is bounded", transactional=False),
    ],
    "me": [Read("members", "profile", "the answer is this document")],
    "categories": [Read("categories", "tree", "the answer is this document", consistent=False)],
    "product list": [Read("listings", "all#default", "twenty cards and the one that tells of a next page", False)],
    "search": [
        Read("search_chunks", "*", "the words are looked for in every row", consistent=False),
        Read("products", "card*", "the cards of what was found", consistent=False),
    ],
    "product detail": [Read("products", "", "product, detail and stocks: the page shows all of them", False)],
    "add to cart": [
        Read("members", "profile", "whether the member may shop", consistent=False),
        Read("products", "product", "is it on sale; name and price for the answer", consistent=False),
        Read("products", "stock#", "the answer says how many can be had", consistent=False),
        Write("carts", "", "the line", transactional=False),
    ],
    "get cart": [
        _TOKEN,
        Read("carts", "", "the lines"),
        Read("products", "product*", "names and prices", consistent=False),
        Read("products", "stock#*", "what can be had", consistent=False),
    ],
    "quote": [
        Read("products", "product", "the price", consistent=False),
        Read("products", "stock#", "an offer is one with its stock", consistent=False),
        Read("members", "addresses", "the region decides the freight; and which tokens were called in", False),
        Read("coupons.by_end", "", "which coupons could be used", consistent=False),
    ],
    "get a coupon": [
        Write("limits", "", "how often one person asks is bounded", transactional=False),
        Read("coupon_templates", "", "what it gives, and to whom"),
        Read("members", "profile", "whether it is for such a member"),
        Read("coupons", "received#", "how many they have got"),
        Write("coupons", "coupon#", "the coupon, found by its end"),
        Write("coupons", "received#", "nobody gets more than they may"),
        Write("coupon_counters", "stock#", "no more go out than there are"),
    ],
    "place order, 1 line": [
        Write("limits", "", "how often one person orders is bounded", transactional=False),
        Read("members", "profile", "the openid that will pay"),
        Read("unpaid_orders", "", "what the member holds unpaid already"),
        Read("member_touches", "", "by which ways they came: the order keeps it for ever"),
        Read("members", "addresses", "where it goes"),
        Read("products", "product", "the price"),
        Read("products", "stock#", "which SKU is short is said before anything is tried"),
        Write("orders", "", "the order, found by its member and in its queue"),
        Write("products", "stock#", "the pieces"),
        Write("jobs", "", "what looks after it until it is paid or closed"),
        Write("unpaid_orders", "", "how much stock one member holds unpaid is bounded"),
    ],
    "place order, 2 lines of the cart": [
        Write("limits", "", "how often one person orders is bounded", transactional=False),
        Read("members", "profile", "the openid that will pay"),
        Read("unpaid_orders", "", "what the member holds unpaid already"),
        Read("member_touches", "", "by which ways they came: the order keeps it for ever"),
        Read("members", "addresses", "where it goes"),
        Read("carts", "", "what is selected"),
        Read("products", "product*", "the prices"),
        Read("products", "stock#*", "which SKU is short is said before anything is tried"),
        Write("orders", "", "the order, found by its member and in its queue"),
        Write("products", "stock#*", "the pieces"),
        Write("carts", "", "the lines that were ordered are taken out"),
        Write("jobs", "", "what looks after it until it is paid or closed"),
        Write("unpaid_orders", "", "how much stock one member holds unpaid is bounded"),
    ],
    "place order, 1 line, with a coupon": [
        Write("limits", "", "how often one person orders is bounded", transactional=False),
        Read("members", "profile", "the openid that will pay"),
        Read("unpaid_orders", "", "what the member holds unpaid already"),
        Read("member_touches", "", "by which ways they came: the order keeps it for ever"),
        Read("members", "addresses", "where it goes"),
        Read("products", "product", "the price"),
        Read("products", "stock#", "which SKU is short is said before anything is tried"),
        Read("coupons", "coupon#", "what it takes off: whether the price is what the shopper saw"),
        Write("orders", "", "the order, found by its member and in its queue"),
        Write("products", "stock#", "the pieces"),
        Write("coupons", "coupon#", "one coupon is in one order"),
        Write("jobs", "", "what looks after it until it is paid or closed"),
        Write("unpaid_orders", "", "how much stock one member holds unpaid is bounded"),
    ],
    "start payment": [
        _TOKEN,
        Write("limits", "", "how often one person asks WeChat is bounded", transactional=False),
        Read("orders", "", "what is to be paid; WeChat keeps the payment, we keep nothing of it"),
    ],
    "payment callback": [
        _ORDER,
        _CHANGED,
        Write("ledger_entries", "", "the money"),
        *_TRAITS,
        Write("jobs", "", "whoever cares for a paid order is told"),
        Write("unpaid_orders", "", "how much stock one member holds unpaid is bounded"),
    ],
    "payment callback, with a coupon": [
        _ORDER,
        _CHANGED,
        Write("coupons", "coupon#", "it is used, and stands with those that are"),
        Write("ledger_entries", "", "the money"),
        *_TRAITS,
        Write("jobs", "", "whoever cares for a paid order is told"),
        Write("jobs", "", "whoever counts used coupons is told"),
        Write("unpaid_orders", "", "how much stock one member holds unpaid is bounded"),
    ],
    "order detail": [_TOKEN, Read("orders", "", "the answer is this document")],
    "order list": [
        _TOKEN,
        Read("orders.by_member", "", "which are theirs", consistent=False),
        Read("orders", "*", "the answer is these documents"),
    ],
    "cancel": [
        _TOKEN,
        _ORDER,
        _CHANGED,
        Write("products", "stock#", "the pieces go back"),
        Write("jobs", "", "whoever cares for returned stock is told"),
        Write("unpaid_orders", "", "how much stock one member holds unpaid is bounded"),
    ],
    "ship": [
        *_GUARD,
        _ORDER,
        _CHANGED,
        Write("jobs", "", "WeChat must be told of the parcel"),
        Write("jobs", "", "received by itself after some days"),
    ],
    "refund request": [
        _TOKEN,
        _ORDER,
        _CHANGED,
        Write("products", "stock#", "the pieces go back"),
        Write("ledger_entries", "", "the money owed"),
        *_TRAITS,
        Write("jobs", "", "what brings the refund to its end"),
        Write("jobs", "", "whoever cares for returned stock is told"),
    ],
    "job: refund push": [
        Write("jobs", "", "the lease, so that no two push it", transactional=False),
        _ORDER,
        _CHANGED,
        Write("jobs", "", "WeChat says that it is under way: the job that asks again"),
        Write("jobs", "", "the end of this one"),
    ],
    "job: watch (paid)": [
        Read("orders", "", "it is paid: there is nothing to watch"),
        Write("jobs", "", "the job's end", transactional=False),
    ],
    "job: watch (deadline)": [
        Write("jobs", "", "the lease, so that no two watch it", transactional=False),
        _ORDER,
        _CHANGED,
        Write("products", "stock#", "the pieces go back"),
        Write("jobs", "", "whoever cares for returned stock is told"),
        Write("jobs", "", "the job's end"),
        Write("unpaid_orders", "", "how much stock one member holds unpaid is bounded"),
    ],
}
