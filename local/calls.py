"""Writes down who does what in this process: the shop's API, the operators' and the jobs of each lane, every operation
on every table.

A role in infra/ grants what was seen while the mall was tested, and nothing else. Only something new costs anything:
one line in a file of this process. What a test does within a job or a request, through something it has hooked in there
(a shopper who is quicker, an outage), is not the mall's doing and is not written. It is part of a local mall's
processes (the API and the worker begin it), so it stands here and not with the tools that a person runs.
"""

from __future__ import annotations

import contextvars
import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from infra.permissions import Seen, actions
from local.processes import ROOT

#: Names the folder; the processes of a mall inherit it.
VARIABLE = "YUTANG_CALLS"
_TESTS = f"{ROOT / 'tests'}{os.sep}"

_who: contextvars.ContextVar[Seen | None] = contextvars.ContextVar("who", default=None)


def record_if_asked() -> None:
    """Begin to write, if the environment names a folder."""
    if folder := os.environ.get(VARIABLE):
        _record(Path(folder) / f"{os.getpid()}.jsonl")


def _record(file: Path) -> None:
    from chalicelib.core import settings
    from chalicelib.platform.store import base

    if hasattr(base.call, "__wrapped__"):
        return
    seen: set[Seen] = set()

    def note(action: str, what: str) -> None:
        who = _who.get()
        if who is None or (one := msgspec.structs.replace(who, action=action, what=what)) in seen or _by_a_test():
            return
        seen.add(one)
        with file.open("ab") as out:
            out.write(msgspec.json.encode(one) + b"\n")

    _watch_boundary(settings, base, note)
    _watch_entries()


def _replace(name: str, old: Any, new: Any) -> None:
    """Everybody who knows the function by that name, in its own module or imported, has the new one."""
    for module in [module for name, module in sys.modules.items() if name.startswith("chalicelib.")]:
        if vars(module).get(name) is old:
            setattr(module, name, new)


def _watch_boundary(settings: Any, base: Any, note: Callable[[str, str], None]) -> None:
    call, secret = base.call, settings.secret
    prefix = settings.settings().table_prefix

    @functools.wraps(call)
    def noted_call(operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        if _who.get() is not None:
            for action, where in actions(operation, arguments):
                table, slash, index = where.removeprefix(prefix).partition("/")
                note(action, table.partition(".")[0] + slash + index)  # a test may have tables of its own
        answer: dict[str, Any] = call(operation, arguments)
        return answer

    @functools.wraps(secret)
    def noted_secret(name: str) -> str:
        note("secret", name)
        return str(secret(name))

    noted_secret.cache_clear = secret.cache_clear  # type: ignore[attr-defined]
    _watch_files(note)
    _replace("call", call, noted_call)
    _replace("secret", secret, noted_secret)


def _watch_files(note: Callable[[str, str], None]) -> None:
    """A copy reads where it copies from; who signs a form does with it what its sender does."""
    from chalicelib.gateways.objects import store as objects

    store: Any = objects
    send, form = store.send, store.form

    @functools.wraps(send)
    def noted_send(method: str, key: str, headers: Any, *more: Any) -> Any:
        note({"GET": "GetObject", "PUT": "PutObject", "DELETE": "DeleteObject"}[method], _below(key))
        if source := headers.get("x-amz-copy-source"):
            note("GetObject", _below(source.split("/", 2)[2]))
        return send(method, key, headers, *more)

    @functools.wraps(form)
    def noted_form(key: str, *more: Any) -> Any:
        note("PutObject", _below(key))
        return form(key, *more)

    store.send, store.form = noted_send, noted_form


def _below(key: str) -> str:
    return key.partition("/")[0] + "/"


def _watch_entries() -> None:
    from chalicelib.platform.jobs import worker
    from chalicelib.platform.jobs.declarations import Lane
    from chalicelib.platform.web import edge
    from chalicelib.platform.web.paths import is_operators

    answer, run_due, run_one = edge.answer, worker.run_due, worker.run_one

    @functools.wraps(answer)
    def noted_answer(endpoint: Any, *given: Any, **named: Any) -> Any:
        function = "operators" if is_operators(endpoint.path) else "api"
        return _as(Seen(function, "", ""), answer, endpoint, *given, **named)

    @functools.wraps(run_due)
    def noted_run_due(*given: Any, **named: Any) -> Any:
        return _as(Seen("sweep", "", ""), run_due, *given, **named)

    @functools.wraps(run_one)
    def noted_run_one(item: Any) -> Any:
        return _as(Seen("job", "", "", Lane(item.shard[0]).name), run_one, item)

    _replace("answer", answer, noted_answer)
    _replace("run_due", run_due, noted_run_due)
    _replace("run_one", run_one, noted_run_one)


def _as(who: Seen, do: Callable[..., Any], *given: Any, **named: Any) -> Any:
    before = _who.set(who)
    try:
        return do(*given, **named)
    finally:
        _who.reset(before)


def _by_a_test() -> bool:
    """Whether a test stands between who is at work and what is done."""
    frame = sys._getframe()
    while frame.f_back is not None and frame.f_code is not _as.__code__:
        if frame.f_code.co_filename.startswith(_TESTS):
            return True
        frame = frame.f_back
    return False
