"""The names of the fields of events. What is wrong with a single event of a batch are codes of rules.py. Pure."""

from __future__ import annotations

from chalicelib.core.errors import Labels

FIELDS: Labels = {
    "batch_id": ("批次编号", "batch id"),
    "sent_at": "发送时间",
    "events": "事件",
    "event_id": ("事件编号", "event id"),
    "name": ("事件名称", "the event's name"),
    "at": ("发生时间", "when it happened"),
    "props": ("事件属性", "props"),
    "session": "会话",
    "id": ("会话编号", "the session's id"),
    "source": "访问来源",
    "scene": "场景值",
    "channel": "渠道",
    "inviter": "邀请人",
    "live_room": "直播间",
    "platform": "平台",
    "app_version": ("小程序版本", "version of the program"),
    "from": ("开始时间", "from when on"),
    "until": ("结束时间", "until when"),
}
