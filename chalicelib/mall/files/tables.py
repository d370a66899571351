"""Uploaded files. Table `uploads`.

| who asks | how | units |
|---|---|---|
| begin one | Update how many of the owner's this day, Put it, owe its end, in one transaction | 6 WRU |
| use one | Get (owner, "upload:<id>"); Update it in the transaction of what uses it | 1 RRU, 2 WRU |
| give one up, or end it unused | Delete it, owe the removal of its files, in one transaction | 4 WRU |
| what goes on for who returns | Get today's number of the former, Put it | 1 RRU, 1 WRU |
| one owner turns out to be another | Delete each and Put it there, owe its end | 6 WRU each |
| all of an owner | Query owner | 0.5 RRU per 4 KB, some 20 of them |

An owner is "member:<id>", or "operators": what the shop uploads is the shop's, whoever did it. So an upload is found
only by who owns it. How many a member began on a day is an item beside them, which is rubbish two days later; it
outlasts the account.
"""

from __future__ import annotations

from pynamodb.attributes import NumberAttribute, TTLAttribute, UnicodeAttribute

from chalicelib.mall.files.rules import Upload
from chalicelib.platform.store.base import Document, Table, TableMeta, name

#: The owner of what operators upload.
OPERATORS = "operators"
_UPLOAD = "upload:"


class Uploads(Table):
    """An upload, or how many its owner began on a day: see `part`."""

    class Meta(TableMeta):
        table_name = name("uploads")

    owner = UnicodeAttribute(hash_key=True)
    part = UnicodeAttribute(range_key=True)
    upload = Document(Upload, null=True)
    # part "day:..."
    times = NumberAttribute(null=True)
    expires = TTLAttribute(null=True)


def owner_of(member_id: str) -> str:
    """Name a member as the owner of files."""
    return f"member:{member_id}"


def upload_key(owner: str, upload_id: str) -> tuple[str, str]:
    """Name the item of an upload."""
    return owner, _UPLOAD + upload_id


def is_upload(item: Uploads) -> bool:
    """Tell an upload from what is counted beside it."""
    return item.part.startswith(_UPLOAD)


def day_key(owner: str, day: str) -> tuple[str, str]:
    """Name the item in which the owner's uploads of a day are counted."""
    return owner, f"day:{day}"
