"""The zip by itself: unpacked, alone with Python, it is a mall. What it needs is in it, and its answers are right."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import Client as WsgiClient

from chalicelib.core.clock import now
from chalicelib.platform.jobs import queue
from chalicelib.platform.jobs.declarations import INSIDE, MANY, OUTSIDE, SENDS, Lane
from chalicelib.platform.jobs.tables import JobsOfMany, Task, table_of
from chalicelib.platform.jobs.worker import BACKOFF_SECONDS_MAX
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import save
from chalicelib.platform.web.paths import OPERATORS
from local.client import Answer, Operator, Sandbox, Shopper, Transport
from local.clock import LocalClock
from local.gateway import Gateway
from local.jobs import all_jobs, forget_all
from local.notices import payment_callback
from tests.support.functions import Function, deployed, schedule_event, stream_event
from tests.support.operators import owner_token

pytestmark = pytest.mark.slow

HANDLERS = (
    "app", "operators", "run_due_jobs", "run_due_calls", "run_due_many", "run_due_sends",
    "run_owed_jobs", "run_owed_calls", "run_owed_many", "run_owed_sends",
)  # fmt: skip


@pytest.fixture(scope="module")
def functions(
    unpacked: Path, dynamodb: str, sandbox: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Function]]:
    """Each function, deployed; it goes by the sandbox's clock."""
    logs = tmp_path_factory.mktemp("log")
    clock = Path(os.environ["YUTANG_TEST_CLOCK"])
    with ExitStack() as stack:
        yield {name: stack.enter_context(deployed(unpacked, f"app.{name}", clock, logs / name)) for name in HANDLERS}


@pytest.fixture(scope="module")
def send(functions: dict[str, Function]) -> Transport:
    """Requests reach the two deployed functions of the API as API Gateway's events."""
    from app import app

    client = WsgiClient(Gateway(functions["app"], app.routes, dict.fromkeys(OPERATORS, functions["operators"])))

    def transport(method: str, path: str, headers: dict[str, str], body: bytes | None) -> Answer:
        reply = client.open(path, method=method, headers=headers, data=body)
        return Answer(reply.status_code, {k.lower(): v for k, v in reply.headers.items()}, reply.data)

    return transport


def owed_at_once(lane: Lane) -> list[dict[str, Any]]:
    """The jobs that the stream's filter lets through to the handler of the lane."""
    found = [raw for shard in queue.shards([lane]) for raw in read.query(table_of(shard), shard, consistent=True)[0]]
    return [raw for raw in found if raw.get("at_once", {}).get("BOOL")]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v1/orders", "GET, POST"),
        ("HEAD", "/v1/products", "GET"),
        ("OPTIONS", "/v1/products/p1", "GET"),
        ("HEAD", "/docs", "GET"),
        ("DELETE", "/v1/admin/orders", "GET"),
    ],
)
def test_a_method_that_is_not_there_is_refused_and_told_which_are(
    send: Transport, method: str, path: str, allowed: str
) -> None:
    for headers in ({}, {"Authorization": "Bearer x"}):
        answer = send(method, path, headers, None)
        assert (answer.status, answer.headers["allow"]) == (405, allowed)
        assert answer.headers["content-type"] == "application/problem+json"
        assert method == "HEAD" or answer.json["code"] == "method_not_allowed"


def test_a_purchase_and_its_refund(
    functions: dict[str, Function], send: Transport, sandbox: str, mall_clock: LocalClock
) -> None:
    forget_all()
    wechat = Sandbox(sandbox)
    sku = Operator(send, owner_token()).product(stock=3)["skus"][0]["sku_id"]
    shopper = Shopper.arrive(send, wechat)
    order_id = shopper.place([(sku, 2)])["order_id"]
    wechat.pay(shopper.start_payment(order_id), notify="none")
    assert send(*payment_callback(wechat, order_id)).status in (200, 204)
    assert shopper.order(order_id)["state"] == "awaiting_shipment"

    # The stream tells the workers inside of what was sold; the product's card says so then.
    sold = owed_at_once(INSIDE)
    assert sold
    assert functions["run_owed_jobs"](stream_event(sold), seconds=58) == {"batchItemFailures": []}
    assert not {raw["due"]["S"] for raw in sold} & {raw["due"]["S"] for raw in owed_at_once(INSIDE)}

    shopper.refund(order_id)
    pushes = owed_at_once(OUTSIDE)
    assert functions["run_owed_calls"](stream_event(pushes), seconds=58) == {"batchItemFailures": []}
    (refund,) = wechat.refunds(order_id)
    assert refund["amount_fen"] == shopper.order(order_id)["paid_fen"]

    # It was put back, to ask how it has ended; a minute later the schedule does.
    mall_clock.advance(61)
    functions["run_due_calls"](schedule_event(), seconds=25)
    order = shopper.order(order_id)
    assert order["refunds"][0]["state"] == "succeeded"
    assert order["refunded_fen"] == order["paid_fen"] == refund["amount_fen"]


def test_each_function_has_its_own_endpoints_and_no_others(functions: dict[str, Function], send: Transport) -> None:
    assert send("GET", "/v1/admin/products", {}, None).json["code"] == "unauthenticated"
    assert send("GET", "/v1/admin/nothing", {}, None).json["code"] == "not_found"
    assert send("DELETE", "/v1/admin/login", {}, None).headers["allow"] == "POST"
    assert send("GET", "/openapi.json", {}, None).json["paths"].keys() > {"/v1/cart", "/v1/admin/products"}
    assert send("GET", "/v1/categories", {}, None).status == 200
    assert [name for name in functions["app"].modules if name.endswith("admin_routes")] == []


def test_the_schedule_closes_what_was_not_paid(
    functions: dict[str, Function], send: Transport, sandbox: str, mall_clock: LocalClock
) -> None:
    forget_all()
    sku = Operator(send, owner_token()).product(stock=1)["skus"][0]["sku_id"]
    shopper = Shopper.arrive(send, Sandbox(sandbox))
    order_id = shopper.place([(sku, 1)])["order_id"]
    mall_clock.advance(16 * 60)
    functions["run_due_calls"](schedule_event(), seconds=25)
    assert shopper.order(order_id)["state"] == "closed"
    mall_clock.advance(61)
    functions["run_due_jobs"](schedule_event(), seconds=20)
    assert owed_at_once(INSIDE) == []
    assert shopper.place([(sku, 1)])["state"] == "awaiting_payment"  # the piece is free again


def test_a_record_that_nobody_can_read_holds_up_no_other(functions: dict[str, Function], send: Transport) -> None:
    forget_all()
    Operator(send, owner_token()).product()
    good = owed_at_once(INSIDE)
    bad = {"shard": {"S": "s0"}, "due": {"S": "2026-11-21T00:00:00.000Z|x|y"}, "task": {"S": "not a task"}}
    answer = functions["run_owed_jobs"](stream_event([bad, *good]), seconds=58)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "1"}]}
    assert owed_at_once(INSIDE) == []


def test_a_worker_that_has_worked_has_still_no_door(functions: dict[str, Function]) -> None:
    for name in HANDLERS[2:]:
        functions[name](stream_event([]) if "owed" in name else schedule_event(), seconds=18)
        modules = set(functions[name].modules)
        assert [module for module in modules if module.startswith("chalicelib.") and module.endswith("routes")] == []
        assert (
            not {"chalicelib.platform.web.edge", "chalicelib.platform.web.openapi", "chalicelib.mall.operators.service"}
            & modules
        )
        if name.endswith("jobs"):  # nobody inside calls WeChat
            assert not {"requests", "cryptography"} & modules


def test_whatever_a_function_writes_is_a_line_of_json_that_lambda_hands_on(functions: dict[str, Function]) -> None:
    """Lambda leaves such lines as they are, metrics too, and with its JSON format leaves out what is below INFO."""
    told = [json.loads(line) for function in functions.values() for line in function.written()]
    assert {one.get("level", "info") for one in told} <= {"info", "warning", "error"}
    assert [one for one in told if "_aws" in one], "the metrics are among them"


@pytest.mark.parametrize(("lane", "owed"), [(MANY, "run_owed_many"), (SENDS, "run_owed_sends")])
def test_what_is_owed_to_very_many_has_functions_of_its_own(
    lane: Lane, owed: str, functions: dict[str, Function], mall_clock: LocalClock
) -> None:
    """A job of a kind that this version does not know is put back where it lay, by whom it came to."""
    forget_all()
    save(queue.item(Task("test.unknown", "a"), lane, now(), at_once=True))
    assert functions[owed](stream_event(owed_at_once(lane)), seconds=58) == {"batchItemFailures": []}
    mall_clock.advance(BACKOFF_SECONDS_MAX)
    for function in ("run_due_jobs", "run_due_calls", "run_due_many", "run_due_sends"):
        functions[function](schedule_event(), seconds=19)
    (job,) = [job for job in all_jobs() if job.task.kind == "test.unknown"]
    assert (type(job), job.shard[0], job.at_once, job.task.attempts) == (JobsOfMany, lane, None, 2)
