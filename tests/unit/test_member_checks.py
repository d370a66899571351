"""The audit of members names whoever leads to nobody, or is known by what is another's."""

from __future__ import annotations

import pytest

from chalicelib.customers.members.checks import Person, Records, audit

SOUND = Records(
    persons={"s": Person(["oa:1", "mini:2"], ["l"]), "other": Person([], [])},
    identities={"mini:1": "s", "oa:1": "s", "mini:2": "s", "mini:3": "other"},
    moved={"l": "s", "detached": "other"},
)


def test_what_is_sound_has_no_difference() -> None:
    assert audit(SOUND) == []


@pytest.mark.parametrize(
    ("about", "what", "changed"),
    [
        ("gone", "has an identity and is not there", {"identities": SOUND.identities | {"mini:9": "gone"}}),
        ("s", "is known by an identity (oa) that is not theirs", {"identities": SOUND.identities | {"oa:1": "other"}}),
        ("l", "became another, and is there all the same", {"persons": {**SOUND.persons, "l": Person([], [])}}),
        ("x", "became somebody who is not there", {"moved": SOUND.moved | {"x": "l"}}),
        ("l", "became s, and does not lead to them", {"moved": SOUND.moved | {"l": "other"}}),
    ],
)
def test_what_is_not_is_named(about: str, what: str, changed: dict[str, object]) -> None:
    parts = {name: getattr(SOUND, name) for name in Records.__struct_fields__} | changed
    assert [(one.about, one.what) for one in audit(Records(**parts))] == [(about, what)]
