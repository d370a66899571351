"""Why a command about operators is refused, in both languages, and the names of the fields that come in. Pure."""

from __future__ import annotations

from chalicelib.core.errors import Labels, Reason

TAKEN = Reason("taken", "{label}已被使用，请换一个", "{label} is taken; choose another")
UNKNOWN_ROLES = Reason("unknown_roles", "没有这些角色：{roles}", "there are no such roles: {roles}")

FIELDS: Labels = {
    "name": ("账号", "operator's name"),
    "password": "密码",
    "new_password": "新密码",
    "roles": "角色",
    "disabled": "是否停用",
    "operator": ("操作员账号", "operator's name"),
}
