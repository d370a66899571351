"""Writes docs/events.md from the tracking plan: `python -m tools.event_docs`."""

from __future__ import annotations

import sys

from chalicelib.customers.events import rules
from chalicelib.customers.events.plan.rules import PLAN, PlannedEvent, Prop
from local.processes import ROOT

FILE = ROOT / "docs" / "events.md"

_HEAD = """\
# Events: the tracking plan

What a client tells of what its member does, by `POST /v1/me/events`. Made by `python -m tools.event_docs` from
`chalicelib/customers/events/plan/rules.py`; a test holds that it is up to date. What is not here is not collected.

A batch has 1 to 50 events and 64 KB at most; a member sends 60 batches a minute and 256 KB a day (Asia/Shanghai). Its
`batch_id` is a UUID of version 7, made once: a batch whose answer was lost is sent again unchanged, but for `sent_at`,
and is answered as at first; another one under its id is 422 `batch_reused`. `at` and `sent_at` are the client's clock:
what counts is how long before sending something happened, a week at most; where the clock is off by more than two days,
all of the batch happened when it came. Before login a client keeps 50 events, and sends them after it.

An event is told by an id, a name of this page, an instant and props: up to 20, each a text of up to 256 characters, a
whole number, or true or false. A prop with `?` may be left out. Of the session what looks like a mobile number or an
identity card's is not kept, and named in `left_out`; nor is anything of it where no event was taken. What of a batch is
not taken is told one by one:

| code | why |
|---|---|
"""
_CLIENT = """
## Told by clients

Kept for so many days, by member: for segments, which look at nothing of who wants no personal offers, for the member's
own export, and for operators with `members.read`, whose every look is logged. Erased with the member.

| event | props | who asked for it | what for | days |
|---|---|---|---|---|
"""
_SERVER = """
## Facts of the mall

The mall knows these itself. No client is believed: they are refused as `event_of_server`.

| event | what |
|---|---|
"""


def page() -> str:
    """Make the page."""
    clients = [event for event in PLAN.values() if event.by == "client"]
    facts = [event for event in PLAN.values() if event.by == "server"]
    return "".join(
        (
            _HEAD,
            *(f"| `{code}` | {why} |\n" for code, why in rules.DROPS.items()),
            _CLIENT,
            *(f"| `{one.name}` | {_props(one)} | {one.owner} | {one.purpose} | {one.keep_days} |\n" for one in clients),
            _SERVER,
            *(f"| `{one.name}` | {one.purpose} |\n" for one in facts),
        )
    )


def _props(event: PlannedEvent) -> str:
    return ", ".join(_prop(prop) for prop in event.props.values())


def _prop(prop: Prop) -> str:
    """Write a prop as the plan does; texts need no word."""
    kind = f": {prop.kind}" if prop.kind != "text" else ""
    choices = f": {' or '.join(prop.choices)}" if prop.choices else ""
    return f"`{prop.name}{'' if prop.is_required else '?'}`{kind}{choices}"


def main() -> int:
    """Write the page; the exit status."""
    FILE.write_text(page(), encoding="utf-8")
    print(f"{FILE.relative_to(ROOT)}: {len(PLAN)} events")
    return 0


if __name__ == "__main__":
    sys.exit(main())
