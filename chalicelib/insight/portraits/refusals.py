"""Why operators find nobody, in both languages, and the names of the fields. Pure."""

from __future__ import annotations

from chalicelib.core.errors import Labels, Reason

ONE_WAY_TO_FIND = Reason(
    "one_way_to_find",
    "请在 q、phone_last4、identity、segment、tag 中选且只选一项",
    "name exactly one of q, phone_last4, identity, segment and tag",
)

FIELDS: Labels = {
    "q": ("要找的会员", "whom to find"),
    "phone_last4": ("手机号后四位", "the phone's last four digits"),
    "identity": ("身份标识", "identity"),
    "segment": "分群",
    "tag": "标签",
    "purpose": ("查看目的", "purpose"),
}
