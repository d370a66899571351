"""A WeChat sandbox inside the test process, and a merchant's server that keeps what WeChat sends to it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import requests
from waitress import wasyncore
from waitress.server import create_server

from chalicelib.core import clock, settings
from chalicelib.gateways.wechat import mini, transfers
from chalicelib.gateways.wechat import pay as wechat_pay
from chalicelib.gateways.wechat.errors import WechatError
from local.clock import LocalClock
from local.keys import Keys, load_or_make, mall_environment
from local.sandbox.app import create_app

_numbers = count(1)

JSAPI = "/v3/pay/transactions/jsapi"
REFUNDS = "/v3/refund/domestic/refunds"
TRANSFERS = "/v3/fund-app/mch-transfer/transfer-bills"


@dataclass
class Merchant:
    """What arrived at the merchant's server (the path among the headers, as `:path`), and the statuses it answers next
    (then 204 for ever)."""

    url: str = ""
    calls: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    wait_seconds: float = 0.0


@dataclass
class Wechat:
    """A running sandbox, the keys it shares with the mall, the mall's clock and the merchant's server."""

    url: str
    keys: Keys
    clock: LocalClock
    merchant: Merchant

    def control(self, path: str, body: dict[str, Any] | None = None, *, status: int = 200) -> Any:
        """Call the control API: POST with a body, GET without; the answer must have that status."""
        url = f"{self.url}/_control/{path}"
        answer = requests.get(url, timeout=10) if body is None else requests.post(url, json=body, timeout=10)
        assert answer.status_code == status, answer.text
        return answer.json()

    def openid(self, user: str) -> str:
        """The openid of a user who logs in."""
        return mini.code2session(self.control("login", {"user": user})["code"]).openid

    def prepaid(self, **changes: Any) -> tuple[wechat_pay.Prepay, str]:
        """A new payment of 10 yuan, and its prepay_id."""
        body = an_order(**changes)
        return body, wechat_pay.prepay(body)

    def paid(self, notify: str = "none", **changes: Any) -> wechat_pay.Prepay:
        """A new payment that the shopper made; WeChat tells the merchant as `notify` says."""
        body, prepay_id = self.prepaid(**changes)
        self.control("pay", {"prepay_id": prepay_id, "notify": notify})
        return body

    def transferred(self, **changes: Any) -> transfers.TransferRequest:
        """A new transfer of 3 yuan that waits for who is to take it; the balance reaches for it."""
        request = a_transfer(**changes)
        self.control("balance", {"available_fen": 1_000_000})
        assert transfers.transfer(request).state == "WAIT_USER_CONFIRM"
        return request

    def end(self, request: transfers.TransferRequest, outcome: str, **more: Any) -> None:
        """That transfer ends so."""
        self.control(f"transfers/{request.out_bill_no}", {"outcome": outcome} | more)

    def fault(self, path: str, kind: str, **more: Any) -> None:
        """Let the next call of `path` go wrong."""
        self.control("faults", {"path": path, "kind": kind, "times": 1} | more)

    def sends(self) -> list[dict[str, Any]]:
        """Every try of every notification so far."""
        return [send for told in self.control("notifications")["notifications"] for send in told["sends"]]

    def forget(self) -> None:
        """As new, for the next test; the clock stays where it is."""
        self.control("reset", {})
        self.merchant.calls.clear()
        self.merchant.answers.clear()
        self.merchant.wait_seconds = 0.0


def an_order(**changes: Any) -> wechat_pay.Prepay:
    """A payment of 10 yuan under a number of its own, to be made within the hour."""
    fields: dict[str, Any] = {
        "out_trade_no": f"T{os.getpid()}_{next(_numbers):06d}",
        "description": "龙井茶 250g",
        "time_expire": clock.now() + timedelta(hours=1),
        "total_fen": 1000,
        "openid": "o-somebody",
    }
    return wechat_pay.Prepay(**(fields | changes))


def a_transfer(**changes: Any) -> transfers.TransferRequest:
    """A transfer of 3 yuan under a number of its own."""
    fields: dict[str, Any] = {
        "out_bill_no": f"W{os.getpid()}x{next(_numbers):06d}",
        "openid": "o-promoter",
        "amount_fen": 300,
        "remark": "十一月的佣金",
    }
    return transfers.TransferRequest(**(fields | changes))


@contextmanager
def wechat(folder: Path, told: bool = False) -> Iterator[Wechat]:
    """A sandbox whose merchant is this process: chalicelib's settings and clock are those of its mall. Where `told`,
    the merchant's server hears of messages and of SMS by itself."""
    keys, mall_clock = load_or_make(folder), LocalClock(folder / "clock")
    with ExitStack() as stack:
        merchant = stack.enter_context(merchant_server())
        addresses = (f"{merchant.url}/messages", f"{merchant.url}/sms") if told else ()
        url = stack.enter_context(serving(create_app(keys, None, mall_clock, *addresses)))
        environment_before, clock_before = settings._environment, clock._seconds
        settings.use({**os.environ, **mall_environment(keys, url, merchant.url)})
        clock.use(mall_clock)
        try:
            yield Wechat(url, keys, mall_clock, merchant)
        finally:
            settings.use(environment_before)  # other tests of this process have a sandbox of their own
            clock.use(clock_before)


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """The sandbox's application served on a free port; its notifier and its store end with it."""
    server = create_server(app, host="127.0.0.1", port=0, threads=32)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.effective_port}"
    finally:
        app.extensions["notifier"].stop()
        server.trigger.pull_trigger(lambda: wasyncore.close_all(server._map))
        thread.join(5)
        server.task_dispatcher.shutdown()
        app.extensions["store"].close()


@contextmanager
def merchant_server() -> Iterator[Merchant]:
    """A server at which every POST arrives, is kept raw, and is answered as the test says."""
    merchant = Merchant()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            merchant.calls.append(({**dict(self.headers.items()), ":path": self.path}, body))
            time.sleep(merchant.wait_seconds)
            self.send_response(merchant.answers.pop(0) if merchant.answers else 204)
            self.end_headers()

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    merchant.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield merchant
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def refund_of(body: wechat_pay.Prepay, fen: int = 1000, number: str = "") -> wechat_pay.RefundRequest:
    return wechat_pay.RefundRequest(
        body.out_trade_no, number or f"R{body.out_trade_no}", fen, body.total_fen, "不想要了"
    )


def refused(call: Callable[[], Any]) -> WechatError:
    with pytest.raises(WechatError) as caught:
        call()
    return caught.value
