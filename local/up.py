"""`make run`: the whole mall on this machine, until Ctrl-C.

    python -m local.up

Ports from PORT, SANDBOX_PORT, CONTROL_PORT and DYNAMODB_PORT; data under .local, or YUTANG_LOCAL.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from local import dynamodb, processes
from local.mall import Mall, Ports
from local.processes import ROOT, StartError

__all__ = ["Mall", "Ports", "main"]

_WATCH_SECONDS = 0.5

_PORTS = {  # field of Ports: its variable, its default, what listens there
    "api": ("PORT", 8000, "the API"),
    "sandbox": ("SANDBOX_PORT", 8001, "the WeChat sandbox"),
    "control": ("CONTROL_PORT", 8002, "the local control"),
    "dynamodb": ("DYNAMODB_PORT", 8003, "DynamoDB Local"),
}

_BANNER = """
Yutang is open.

  the API          {api}       reference {api}/docs, document {api}/openapi.json
  WeChat sandbox   {sandbox}       its control API is under {sandbox}/_control
  local control    {control}       GET /status, POST /clock/advance, POST /jobs/run
  DynamoDB         {dynamodb}
  the operator     admin / admin    POST {api}/v1/admin/login
  data and logs    {data}

Log in as a shopper through the sandbox, and look around:

  TOKEN=$(curl -s {api}/v1/auth/login -H 'Content-Type: application/json' -d "$(curl -s {sandbox}/_control/login \\
    -H 'Content-Type: application/json' -d '{{"user": "you"}}')" | sed 's/.*"token": *"\\([^"]*\\)".*/\\1/')
  curl -s {api}/v1/products -H "Authorization: Bearer $TOKEN"

`make demo` in another terminal plays purchases, coupons, groups, a commission, segments, a journey. Ctrl-C closes it.
"""


class _Stop(BaseException):
    """Somebody asked the mall to stop."""


def main() -> int:
    """Open the mall and keep it open; the exit status."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _ask_to_stop)
    try:
        with Mall(_data(), ports=_ports(), on_disk=True, say=_say) as mall:
            _open(mall)
    except _Stop:
        _say("closed")
        return 0
    except StartError as fault:
        print(f"make run: {fault}", file=sys.stderr, flush=True)
        return 1
    return 0


def _open(mall: Mall) -> None:
    _say("demonstration data ...")
    mall.furnish()
    mall.check()
    _say(
        _BANNER.format(
            api=mall.api_url,
            sandbox=mall.sandbox_url,
            control=mall.control_url,
            dynamodb=mall.dynamodb_endpoint,
            data=mall.data,
        )
    )
    while True:
        time.sleep(_WATCH_SECONDS)
        mall.check()


def _ask_to_stop(_number: int, _frame: FrameType | None) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # once is enough; stopping takes at most a few seconds
    raise _Stop


def _say(text: str) -> None:
    try:
        print(text, flush=True)
    except OSError:
        # The terminal is gone, and what follows must not fail for want of it.
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115


def _data() -> Path:
    return Path(os.environ.get("YUTANG_LOCAL") or ROOT / ".local")


def _ports() -> Ports:
    """The ports that the environment asks for. Raises StartError, naming the variable, when one cannot be had."""
    chosen: dict[str, int] = {}
    for field, (variable, default, service) in _PORTS.items():
        text = os.environ.get(variable) or str(default)
        if not text.isdecimal() or not 0 < int(text) < 65536:
            raise StartError(f"{variable}={text} is not a port")
        port = int(text)
        if port in chosen.values():
            raise StartError(f"port {port} is asked for twice, also for {service} ({variable})")
        started = field != "dynamodb" or dynamodb.external_endpoint() is None
        if started and processes.in_use(port):
            raise StartError(
                f"port {port} is in use ({variable}): {service} cannot listen on it. "
                f"Stop what runs there, or choose another: make run {variable}={port + 10}"
            )
        chosen[field] = port
    return Ports(**chosen)


if __name__ == "__main__":
    sys.exit(main())
