"""Why channels and live rooms are refused, in both languages, and the names of the fields. Pure."""

from __future__ import annotations

from chalicelib.core.errors import Labels, Reason

NO_SUCH_CHANNEL = Reason("no_such_channel", "没有这个渠道", "there is no such channel")
NO_SUCH_ROOM = Reason("no_such_live_room", "没有这个直播间", "there is no such live room")
CODE_THERE = Reason("channel_there", "已有同样编码的渠道", "there is a channel of this code")
ROOM_THERE = Reason("live_room_there", "已有这个直播间", "there is a live room of this id")
ENDS_BEFORE = Reason("ends_before", "结束时间要晚于开始时间", "it must end after it starts")
ADS_ACCOUNT = Reason(
    "ads_account", "开启广告转化回传前，请填写{label}", "name {label} before conversions are told to the ad platform"
)

FIELDS: Labels = {
    "code": ("渠道编码", "channel code"),
    "kind": "类型",
    "cost_fen": ("费用（分）", "cost in fen"),
    "cost_per": ("计费方式", "what the cost is for"),
    "active": "启用",
    "room_id": ("直播间", "live room"),
    "host": "主播",
    "title": "标题",
    "starts_at": ("开始时间", "start"),
    "ends_at": ("结束时间", "end"),
    "window_days": ("归因天数", "days that a touch counts"),
    "enabled": ("开启广告转化回传", "telling the ad platform"),
    "account_id": ("广告账户", "the account"),
    "user_action_set_id": ("数据源编号", "the set of actions"),
    "version": ("文本版本", "the text's version"),
    "live_hours": ("直播归因小时数", "hours that an order is a live room's"),
}
