"""The journeys that the mall brings with it, as data. Pure.

ladder 瑞幸 85 折, 4.3 折, 2.8 折, and after a purchase 4.3, 5.8, 9.5 折: who does not buy is given more, who buys is
given less. How far a coupon goes, its template's ceiling says.
"""

from __future__ import annotations

from typing import Any

from chalicelib.growth.journeys.built_in.rules import BuiltIn, Slot, as_open
from chalicelib.growth.messaging.rules import Purpose

_BOUGHT = "order_paid"


def _coupon(name: str, zh: str, en: str, percent_off: int = 0, ceiling_fen: int = 0, valid_days: int = 7) -> Slot:
    return Slot(name=name, kind="coupon", zh=zh, en=en, percent_off=percent_off, ceiling_fen=ceiling_fen,
                valid_days=valid_days)  # fmt: skip


def _message(name: str, purpose: Purpose, zh: str, en: str) -> Slot:
    return Slot(name=name, kind="message", zh=zh, en=en, purpose=purpose)


def _grant(slot: str, following: str) -> dict[str, Any]:
    return {"grant": {"template": as_open(slot)}, "next": following}


def _say(
    slot: str, purpose: Purpose, following: str | None = None, expires_hours: int = 24, on_cap: str = "go_on"
) -> dict[str, Any]:  # fmt: skip
    said = {"purpose": purpose, "template": as_open(slot), "expires_hours": expires_hours}
    step: dict[str, Any] = {"message": said if on_cap == "go_on" else {**said, "on_cap": on_cap}}
    return step if following is None else {**step, "next": following}


def _for_purchase(days: int, then: str, on_timeout: str) -> dict[str, Any]:
    awaited = {"event": _BOUGHT, "timeout": {"days": days}, "then": then, "on_timeout": on_timeout}
    return {"wait_for": awaited}


def _exit(reason: str) -> dict[str, Any]:
    return {"exit": {"reason": reason}}


LADDER = BuiltIn(
    key="ladder",
    name_zh="优惠阶梯",
    name_en="The ladder",
    zh="新会员迟迟不买，优惠逐级加深（85 折、4.3 折、2.8 折）；一旦购买，优惠逐级收回（4.3、5.8、9.5 折）。",
    en="Who joins and does not buy is given more and more off (15, 57, 72 percent); who buys, less and less "
    "(57, 42, 5 percent).",
    slots=(
        _coupon("down_15", "未购 30 天：85 折券", "30 days without a purchase: 15 % off", 15, 2000),
        _coupon("down_57", "再过 7 天：4.3 折券", "7 more days: 57 % off", 57, 3000),
        _coupon("down_72", "再过 7 天：2.8 折券", "7 more days: 72 % off", 72, 3000, 30),
        _coupon("up_57", "购买后：4.3 折券", "after a purchase: 57 % off", 57, 3000, 30),
        _coupon("up_42", "再次购买后：5.8 折券", "after one more purchase: 42 % off", 42, 3000, 30),
        _coupon("up_5", "第三次购买后：9.5 折券", "after a third purchase: 5 % off", 5, 2000, 30),
        _message("tell_down", "marketing", "送出加深的优惠时的消息", "what is said with the coupons before a purchase"),
        _message("tell_up", "marketing", "购买后送券时的消息", "what is said with the coupons after a purchase"),
    ),
    definition={
        "entry": {"event": "joined"},
        "first": "look",
        "goal": {"event": _BOUGHT, "within_days": 90},
        "steps": {
            "look": _for_purchase(30, "up_57", "down_15"),
            "down_15": _grant("down_15", "tell_15"),
            "tell_15": _say("tell_down", "marketing", "after_15"),
            "after_15": _for_purchase(7, "up_57", "down_57"),
            "down_57": _grant("down_57", "tell_57"),
            "tell_57": _say("tell_down", "marketing", "after_57"),
            "after_57": _for_purchase(7, "up_57", "down_72"),
            "down_72": _grant("down_72", "tell_72"),
            "tell_72": _say("tell_down", "marketing", "after_72"),
            "after_72": _for_purchase(30, "up_57", "never"),
            "never": _exit("never_bought"),
            "up_57": _grant("up_57", "thank_57"),
            "thank_57": _say("tell_up", "marketing", "bought_once"),
            "bought_once": _for_purchase(30, "up_42", "stopped"),
            "up_42": _grant("up_42", "thank_42"),
            "thank_42": _say("tell_up", "marketing", "bought_twice"),
            "bought_twice": _for_purchase(30, "up_5", "stopped"),
            "up_5": _grant("up_5", "thank_5"),
            "thank_5": _say("tell_up", "marketing", "kept"),
            "kept": _exit("kept"),
            "stopped": _exit("stopped_buying"),
        },
    },
)

RENEWAL = BuiltIn(
    key="renewal",
    name_zh="到期续购",
    name_en="Renewal",
    zh="到了该再次购买的时候：先发消息，5 至 7 天后再发一次，再过 5 至 7 天由跟进人打电话；购买即退出。",
    en="When it is time to buy again: a message, one more after 5 to 7 days, and after as many a call by the "
    "follower; a purchase ends it.",
    slots=(
        Slot(
            name="due", kind="segment", zh="该再次购买的人（分群）", en="whose time to buy again has come (a segment)"
        ),
        _message("first", "marketing", "第一条消息", "the first message"),
        _message("second", "marketing", "第二条消息", "the second message"),
    ),
    definition={
        "entry": {"segment": as_open("due")},
        "re_entry": {"after_days": 30},
        "first": "first",
        "goal": {"event": _BOUGHT, "within_days": 30},
        "exits": [{"event": _BOUGHT, "reason": "bought"}],
        "steps": {
            "first": _say("first", "marketing", "wait_first"),
            "wait_first": {"wait": {"between_days": [5, 7]}, "next": "second"},
            "second": _say("second", "marketing", "wait_second", 72, on_cap="wait"),
            "wait_second": {"wait": {"between_days": [5, 7]}, "next": "call"},
            "call": {
                "task": {
                    "title": "续购电话",
                    "script": "两次消息后仍未续购，请致电了解原因。",
                    "due_hours": 72,
                    "outcomes": ["will_buy", "not_now", "never", "unreached"],
                }
            },
        },
    },
)

WELCOME = BuiltIn(
    key="welcome",
    name_zh="新人欢迎",
    name_en="Welcome",
    zh="新会员入会即送新人券；第 1 天教怎么用，第 3 天推荐热卖，第 7 天提醒还没用的新人券快到期；留 10% 对照组。",
    en="A newcomer's coupon on joining; how to use it on day 1, what sells best on day 3, and on day 7 a reminder "
    "while the coupon is unused; 10 % are only looked at.",
    slots=(
        _coupon("newcomer", "新人券，有效 8 天", "the newcomer's coupon, good for 8 days", valid_days=8),
        _message("hello", "service", "欢迎与新人专享", "welcome, and what is for newcomers"),
        _message("how_to", "service", "使用说明", "how it is used"),
        _message("best", "marketing", "热卖推荐", "what sells best"),
        _message("ends", "service", "新人券快到期", "the coupon ends soon"),
    ),
    definition={
        "entry": {"event": "joined"},
        "first": "newcomer",
        "goal": {"event": _BOUGHT, "within_days": 30},
        "control_percent": 10,
        "steps": {
            "newcomer": _grant("newcomer", "hello"),
            "hello": _say("hello", "service", "day_1"),
            "day_1": {"wait": {"days": 1}, "next": "how_to"},
            "how_to": _say("how_to", "service", "day_3"),
            "day_3": {"wait": {"days": 2}, "next": "best"},
            "best": _say("best", "marketing", "day_7"),
            "day_7": {"wait": {"days": 4}, "next": "unused"},
            "unused": {
                "branch": [{"if": {"rule": {"coupon": as_open("newcomer"), "state": "unused"}}, "next": "ends"}],
                "else": "used",
            },
            "ends": _say("ends", "service"),
            "used": _exit("coupon_used"),
        },
    },
)

AFTERCARE = BuiltIn(
    key="aftercare",
    name_zh="购后关怀",
    name_en="Care after receipt",
    zh="收货 3 天后发养护提示，7 天后请评价；不满意（客户端提交表单 unhappy）转人工；约一个月后提醒补货；退款即退出。",
    en="A care tip 3 days after receipt, after 7 the question how it is; who is unhappy (the client sends the form "
    "unhappy) is called; after about a month a word on refills; a refund ends it.",
    slots=(
        _message("care", "service", "养护提示", "the care tip"),
        _message("review", "service", "邀请评价", "the question how it is"),
        _message("refill", "marketing", "补货提醒", "the word on refills"),
    ),
    definition={
        "entry": {"event": "order_received", "key": "order_id"},
        "first": "day_3",
        "exits": [{"event": "order_refunded", "where": {"order_id": "{order_id}"}, "reason": "refunded"}],
        "steps": {
            "day_3": {"wait": {"days": 3, "until": {"time": "10:00"}}, "next": "care"},
            "care": _say("care", "service", "day_7"),
            "day_7": {"wait": {"days": 4, "until": {"time": "10:00"}}, "next": "review"},
            "review": _say("review", "service", "unhappy"),
            "unhappy": {
                "wait_for": {
                    "event": "form_submit",
                    "where": {"form_id": "unhappy"},
                    "timeout": {"days": 7},
                    "then": "call",
                    "on_timeout": "used_up",
                }
            },
            "call": {
                "task": {
                    "title": "不满意回访",
                    "script": "顾客对订单不满意，请联系并处理。",
                    "due_hours": 24,
                    "outcomes": ["solved", "refund", "unreached"],
                },
                "next": "spoken",
            },
            "spoken": _exit("unhappy"),
            "used_up": {"wait": {"days": 16, "until": {"time": "10:00"}}, "next": "refill"},
            "refill": _say("refill", "marketing"),
        },
    },
)

WIN_BACK = BuiltIn(
    key="win_back",
    name_zh="沉睡唤醒",
    name_en="Win back",
    zh="会员沉睡 1 天后按历史消费送券；14 天不回来换一种方式再说一次；仍不回来，消费高的转人工，"
    "其余打流失标签；90 天内不再打扰。",
    en="A day after a member fell silent a coupon by what they used to spend; after 14 days a second message; then a "
    "task for those worth one, and a tag for the others; not again within 90 days.",
    slots=(
        _coupon("high", "累计消费 500 元以上的人的券", "the coupon of who has spent 500 yuan", valid_days=14),
        _coupon("low", "其他人的券", "the coupon of the others", valid_days=14),
        _message("come_back", "marketing", "第一条消息", "the first message"),
        _message("again", "marketing", "换一种方式的第二条消息", "the second, by other media"),
        Slot(name="lost", kind="tag", zh="流失标签", en="the tag of who is lost"),
    ),
    definition={
        "entry": {"segment": "silent"},
        "re_entry": {"after_days": 90},
        "first": "day_1",
        "goal": {"event": _BOUGHT, "within_days": 30},
        "exits": [{"event": _BOUGHT, "reason": "came_back"}],
        "steps": {
            "day_1": {"wait": {"days": 1}, "next": "worth"},
            "worth": {
                "branch": [{"if": {"rule": {"purchases": "sum_fen", "op": ">=", "value": 50_000}}, "next": "high"}],
                "else": "low",
            },
            "high": _grant("high", "come_back"),
            "low": _grant("low", "come_back"),
            "come_back": _say("come_back", "marketing", "day_15"),
            "day_15": _for_purchase(14, "back", "again"),
            "back": _exit("came_back"),
            "again": _say("again", "marketing", "day_22"),
            "day_22": _for_purchase(7, "back", "much"),
            "much": {
                "branch": [{"if": {"rule": {"purchases": "sum_fen", "op": ">=", "value": 100_000}}, "next": "call"}],
                "else": "lost",
            },
            "call": {
                "task": {
                    "title": "高价值顾客唤醒",
                    "script": "累计消费 1000 元以上的顾客沉睡，请联系了解原因。",
                    "due_hours": 72,
                    "outcomes": ["will_buy", "not_now", "never", "unreached"],
                },
                "next": "called",
            },
            "called": _exit("called"),
            "lost": {"tag": as_open("lost"), "next": "gone"},
            "gone": _exit("lost"),
        },
    },
)

CART = BuiltIn(
    key="cart",
    name_zh="弃购提醒",
    name_en="Abandoned cart",
    zh="加入购物车后 1 小时没有下单（其间再加购则重新计时），提醒一次；每天最多一次。",
    en="An hour after the last thing was put into a cart without an order, a reminder; once a day at most.",
    slots=(_message("remind", "service", "提醒", "the reminder"),),
    definition={
        "entry": {"event": "add_to_cart"},
        "re_entry": {"after_days": 1},
        "first": "quiet",
        "goal": {"event": _BOUGHT, "within_days": 7},
        "exits": [{"event": "order_placed", "reason": "ordered"}],
        "steps": {
            "quiet": {
                "wait_for": {
                    "event": "add_to_cart", "timeout": {"hours": 1}, "then": "quiet", "on_timeout": "remind",
                }
            },
            "remind": _say("remind", "service", expires_hours=12),
        },
    },
)  # fmt: skip

LOBBY = BuiltIn(
    key="lobby",
    name_zh="拼团只差一人",
    name_en="One more for the group",
    zh="拼团只差一人成团时提醒团员。",
    en="When a lobby lacks one, its members are told.",
    slots=(_message("remind", "transactional", "提醒", "the reminder"),),
    definition={
        "entry": {"event": "lobby_lacks_one", "key": "lobby_id"},
        "first": "remind",
        "exits": [
            {"event": "lobby_succeeded", "where": {"lobby_id": "{lobby_id}"}, "reason": "succeeded"},
            {"event": "lobby_failed", "where": {"lobby_id": "{lobby_id}"}, "reason": "failed"},
        ],
        "steps": {"remind": _say("remind", "transactional", expires_hours=2)},
    },
)

COUPON_ENDS = BuiltIn(
    key="coupon_ends",
    name_zh="优惠券快到期",
    name_en="A coupon ends",
    zh="优惠券到期前 48 小时仍未使用，提醒一次；用掉即退出。",
    en="48 hours before a coupon ends that is still unused, a reminder; its use ends it.",
    slots=(_message("remind", "service", "提醒", "the reminder"),),
    definition={
        "entry": {"event": "coupon_got", "key": "coupon_id"},
        "first": "until_then",
        "exits": [{"event": "coupon_used", "where": {"coupon_id": "{coupon_id}"}, "reason": "used"}],
        "steps": {
            "until_then": {"wait": {"before": {"prop": "valid_until", "hours": 48}}, "next": "remind"},
            "remind": _say("remind", "service"),
        },
    },
)

#: All of them by their keys, in the order in which they are shown.
BUILT_IN: dict[str, BuiltIn] = {
    one.key: one for one in (LADDER, RENEWAL, WELCOME, AFTERCARE, WIN_BACK, CART, LOBBY, COUPON_ENDS)
}
