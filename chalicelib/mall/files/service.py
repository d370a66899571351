"""Uploads are begun, used by something, given up, and end after a day without use.

A file lies under `private/` until something uses it. Then it is looked at (there, of the type that was said, by its
first bytes) and copied to `public/`, before the transaction of what uses it; that marks the upload as used, so that its
end after a day leaves it alone. An upload that is given up goes in a transaction, and its files some minutes later,
when nobody who had found it before is at work any more.
"""

from __future__ import annotations

import functools
from datetime import timedelta

import msgspec

from chalicelib.core import clock, ids
from chalicelib.core.errors import MallError, invalid
from chalicelib.gateways.objects import store
from chalicelib.gateways.objects.store import Form
from chalicelib.mall.files import queries
from chalicelib.mall.files.jobs import END, REMOVE
from chalicelib.mall.files.refusals import NO_SUCH_UPLOAD, NOT_UPLOADED, OTHER_TYPE
from chalicelib.mall.files.rules import (
    A_DAY_MAX,
    SETTLED_AFTER,
    START,
    UNUSED_FOR,
    ContentType,
    Purpose,
    Upload,
    check_purpose,
    check_size,
    type_of,
)
from chalicelib.mall.files.tables import OPERATORS, Uploads, day_key, is_upload, upload_key
from chalicelib.platform.jobs.job import Job
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import Transaction, save_new
from chalicelib.platform.store.versioned import Conflict, commit, retry

#: So many uploads are moved in one step, each in a transaction.
_MOVED = 20


class Kept(msgspec.Struct, frozen=True):
    """An upload whose file is public, to be marked as used (`keep`) by what uses it; `field` named it."""

    owner: str
    upload: Upload
    field: str


def begin(owner: str, purpose: Purpose, content_type: ContentType, size: int) -> tuple[Upload, Form]:
    """Begin an upload of at most `size` bytes; with the form to send the file by.

    Raises `invalid` for a size, `too_many_requests` beyond so many a day and member, `unavailable`.
    """
    check_size(purpose, size)
    now = clock.now()
    upload = Upload(upload_id=ids.new("u"), purpose=purpose, content_type=content_type, size=size, made_at=now)
    form = store.form(store.PRIVATE + upload.upload_id, content_type, size, int(UNUSED_FOR.total_seconds()))
    tx = Transaction()
    if owner != OPERATORS:
        _count(tx, owner)
    tx.create(Uploads(*upload_key(owner, upload.upload_id), upload=upload))
    schedule(tx, END, upload.upload_id, upload.expires_at, owner=owner)
    commit(tx)
    return upload, form


def _count(tx: Transaction, owner: str) -> None:
    """Count one more upload of the owner's today. What is refused waits for midnight in Asia/Shanghai."""
    now = clock.now().astimezone(clock.SHANGHAI)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    full = MallError("too_many_requests", retry_after=int((midnight - now).total_seconds()) + 1)
    key = day_key(owner, clock.day(now).isoformat())
    actions = [Uploads.times.add(1), Uploads.expires.set(midnight + timedelta(days=1))]
    tx.update(Uploads, key, actions, Uploads.times.does_not_exist() | (Uploads.times < A_DAY_MAX), full)


def publish(owner: str, purpose: Purpose, url: str, field: str) -> Kept | None:
    """Look at an uploaded file that something is to use, and make it public; None for an address of somebody else's.

    `keep` must follow in the transaction of what uses it. Raises `invalid`, naming the field, where the owner has no
    such upload, it is for another purpose, has not arrived or is no picture of its type; StoreError.
    """
    if not queries.is_own(url):
        return None
    upload = queries.find(owner, url)
    if upload is None:
        raise invalid(NO_SUCH_UPLOAD.at(field))
    check_purpose(upload, purpose, field)
    if upload.used_at is None:
        private = store.PRIVATE + upload.upload_id
        looked = store.look(private, START)
        if looked is None or not 0 < looked.size <= upload.size:
            raise invalid(NOT_UPLOADED.at(field))
        if type_of(looked.start) != upload.content_type:
            raise invalid(OTHER_TYPE.at(field, content_type=upload.content_type))
        if not store.publish(private, store.PUBLIC + upload.file, upload.content_type, looked.etag):
            raise invalid(NOT_UPLOADED.at(field))
    return Kept(owner, upload, field)


def keep(tx: Transaction, kept: Kept) -> None:
    """Mark the upload as used, as part of `tx`, which refuses when it is gone meanwhile."""
    upload = msgspec.structs.replace(kept.upload, used_at=kept.upload.used_at or clock.now())
    key = upload_key(kept.owner, upload.upload_id)
    gone = invalid(NO_SUCH_UPLOAD.at(kept.field))
    tx.update(Uploads, key, [Uploads.upload.set(upload)], Uploads.upload.exists(), gone)


def give_up(tx: Transaction, owner: str, url: str) -> None:
    """Let an upload go that nothing uses any more, as part of `tx`; an address of somebody else's is left alone."""
    upload = queries.find(owner, url) if queries.is_own(url) else None
    if upload is not None:
        _end(tx, owner, upload)


def _end(tx: Transaction, owner: str, upload: Upload, *, unused: bool = False) -> None:
    as_read = Uploads.upload == upload if unused else None
    tx.delete(Uploads, upload_key(owner, upload.upload_id), as_read)
    schedule(tx, REMOVE, upload.upload_id, clock.now() + SETTLED_AFTER, file=upload.file)


def end(job: Job) -> None:
    """End an upload a day after it was begun: all of it where nothing uses it, else what is private of it."""
    retry(lambda: _end_once(job))


def _end_once(job: Job) -> None:
    owner = job.task.payload["owner"]
    item = read.get(Uploads, *upload_key(owner, job.key))
    if item is None:
        return
    tx = Transaction()
    if item.upload.used_at is None:
        _end(tx, owner, item.upload, unused=True)
    else:
        schedule(tx, REMOVE, job.key, clock.now() + SETTLED_AFTER)
    job.finish(tx)
    commit(tx)


def remove(job: Job) -> None:
    """Remove the files of an upload from the store: the private one, and the public one where that is named."""
    store.remove(store.PRIVATE + job.key)
    if file := job.task.payload.get("file"):
        store.remove(store.PUBLIC + file)


def forget(owner: str) -> None:
    """Let the owner's uploads go, with the files. How many they began on a day stays for its two days: a number.
    Repeatable."""
    for item in queries.parts(owner):
        if is_upload(item):
            tx = Transaction()
            _end(tx, owner, item.upload)
            commit(tx)


def hand_on(former: str, owner: str) -> None:
    """Count for the owner the uploads that they began today as the former one; what is counted already stays."""
    today = clock.day(clock.now()).isoformat()
    counted = read.get(Uploads, *day_key(former, today))
    if counted is not None:
        save_new(Uploads(*day_key(owner, today), times=counted.times, expires=counted.expires))


def absorb(former: str, owner: str) -> bool:
    """Have some of the former owner's uploads be the owner's, who is the same person, and with the last of them count
    what they began today; whether there are more. Done again, it finds nothing. Raises `conflict`, `unavailable`."""
    found, rest = queries.of_owner(former)
    for upload in found[:_MOVED]:
        retry(functools.partial(_absorb_upload, former, owner, upload.upload_id))
    if rest is not None or len(found) > _MOVED:
        return True
    for item in queries.parts(former):
        if not is_upload(item):
            retry(functools.partial(_absorb_day, former, owner, item.part))
    return False


def _absorb_upload(former: str, owner: str, upload_id: str) -> None:
    """Its end is owed for the new owner, whose it is from then on: of the former one it finds nothing to do."""
    item = read.get(Uploads, *upload_key(former, upload_id))
    if item is None:
        return
    upload = item.upload
    tx = Transaction()
    tx.delete(Uploads, upload_key(former, upload_id), Uploads.upload == upload, Conflict)
    tx.create(Uploads(*upload_key(owner, upload_id), upload=upload), Conflict)
    if upload.used_at is None or upload.expires_at > clock.now():
        schedule(tx, END, upload_id, max(upload.expires_at, clock.now()), owner=owner)
    commit(tx)


def _absorb_day(former: str, owner: str, part: str) -> None:
    """How many were begun on a day counts for the owner, beside their own."""
    item = read.get(Uploads, former, part)
    if item is None:
        return
    tx = Transaction()
    tx.delete(Uploads, (former, part), Uploads.times == item.times, Conflict)
    tx.update(Uploads, (owner, part), [Uploads.times.add(item.times), Uploads.expires.set(item.expires)])
    commit(tx)
