"""Why a command about operators is refused, in both languages, and the names of the fields that come in. Pure."""

from __future__ import annotations

from chalicelib.core.errors import Labels, Reason

TAKEN = Reason("taken", "{label}已被使用，请换一个", "{label} is taken; choose another")
LOOKS_TAKEN = Reason(
    "looks_taken",
    "{label}与已有账号 {taken} 太相似，请换一个",
    "{label} looks like {taken}, which is taken; choose another",
)
COMMON_PASSWORD = Reason("common_password", "{label}太常见，请换一个", "{label} is a common one; choose another")
HAS_NAME = Reason("has_name", "{label}不能包含账号", "{label} must not have the operator's name in it")
TOO_SIMPLE = Reason(
    "too_simple",
    "{label}太简单：不能是重复或连续的字符",
    "{label} is too simple: no repetitions, no runs such as 12345",
)
NOT_ONE_S_OWN = Reason(
    "not_one_s_own",
    "不能在这里修改自己的{label}，请用 /v1/admin/me",
    "{label}: not one's own; /v1/admin/me is for that",
)
WRONG_CODE = Reason("wrong_code", "{label}不正确，请用验证器上最新的一个", "{label} is not right; take the latest one")
NOT_BEGUN = Reason(
    "not_begun", "请先获取密钥（POST /v1/admin/me/totp）", "ask for a secret first: POST /v1/admin/me/totp"
)
LOG_IN_ANEW = Reason(
    "log_in_anew",
    "登录已超过 10 分钟，请重新登录，或填写{label}",
    "you logged in more than 10 minutes ago: log in anew, or give your {label}",
)
UNKNOWN_ROLES = Reason("unknown_roles", "没有这些角色：{roles}", "there are no such roles: {roles}")

FIELDS: Labels = {
    "name": ("账号", "operator's name"),
    "password": "密码",
    "new_password": "新密码",
    "roles": "角色",
    "disabled": "是否停用",
    "totp": ("动态验证码", "code of the second factor"),
    "code": ("动态验证码", "code of the second factor"),
    "drop_totp": ("动态验证码设备", "second factor"),
    "operator": ("操作员账号", "operator's name"),
}
