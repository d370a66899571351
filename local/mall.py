"""A whole mall on this machine as one object: its processes, its ports, its environment.

    with Mall(folder) as mall:
        requests.get(mall.api_url + "/v1/products")

`make run` is such a mall with ports and data that stay; a test's picks free ports and keeps its data in memory.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from local import dynamodb, processes
from local.keys import load_or_make, mall_environment
from local.processes import HOST, ROOT, Process, StartError

REGION = "cn-north-1"
_TASK_SECONDS = 600
_DEFAULTS = {"PORT": 8000, "SANDBOX_PORT": 8001, "CONTROL_PORT": 8002, "DYNAMODB_PORT": 8003}


@dataclass(frozen=True)
class Ports:
    """Where the processes of a mall listen."""

    api: int
    sandbox: int
    control: int
    dynamodb: int

    @classmethod
    def free(cls) -> Ports:
        """Ports that nobody uses just now."""
        return cls(*(processes.free_port() for _ in range(4)))

    @classmethod
    def named(cls) -> Ports:
        """Those in PORT, SANDBOX_PORT, CONTROL_PORT and DYNAMODB_PORT, or `make run`'s own. Raises StartError."""
        named = {variable: os.environ.get(variable) or str(default) for variable, default in _DEFAULTS.items()}
        for variable, text in named.items():
            if not text.isdecimal():
                raise StartError(f"{variable}={text} is not a port")
        return cls(*(int(text) for text in named.values()))


class Mall:
    """A local mall. Entering it starts everything and waits until it answers; leaving it leaves nothing behind.

    `data` is a folder for clock, sandbox with its keys, and logs, and for the tables where `on_disk`. `endpoint` is a
    DynamoDB that runs already (otherwise the one in DYNAMODB_ENDPOINT, otherwise one is started); malls that share
    one are kept apart by `prefix`.
    """

    def __init__(
        self,
        data: Path,
        *,
        ports: Ports | None = None,
        endpoint: str | None = None,
        prefix: str = "yutang-",
        on_disk: bool = False,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.data = data.resolve()
        self.ports = ports or Ports.free()
        self.clock_file = self.data / "clock"
        self.api_url = f"http://{HOST}:{self.ports.api}"
        self.sandbox_url = f"http://{HOST}:{self.ports.sandbox}"
        self.control_url = f"http://{HOST}:{self.ports.control}"
        self._external = endpoint or dynamodb.external_endpoint()
        self.dynamodb_endpoint = self._external or f"http://{HOST}:{self.ports.dynamodb}"
        self._prefix = prefix
        self._on_disk = on_disk
        self._say = say
        self._engine: Process | None = None
        self._servers: dict[str, Process] = {}
        self._lock: TextIO | None = None
        self.environment: dict[str, str] = {}

    def __enter__(self) -> Mall:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start(self) -> None:
        self.data.mkdir(parents=True, exist_ok=True)
        self._lock = (self.data / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StartError(f"another mall is running on {self.data}; stop it, or set YUTANG_LOCAL") from None
        self.environment = self._make_environment()
        if self._external is None:
            self._say("DynamoDB Local ...")
            tables = self.data / "dynamodb" if self._on_disk else None
            self._engine = dynamodb.start(self.ports.dynamodb, tables, self._log("dynamodb"), self._say)
        self._say("tables ...")
        self.run("local.tables")
        self._say("WeChat sandbox, API, job worker ...")
        for name in ("sandbox", "api", "worker"):
            self._launch(name)
        for name in ("sandbox", "api", "worker"):
            self._await(name)

    def _make_environment(self) -> dict[str, str]:
        """What every process of this mall is told."""
        environment = dict(os.environ)
        if self._external is None:
            environment |= {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
            environment.pop("AWS_SESSION_TOKEN", None)
        for variable in ("NO_PROXY", "no_proxy"):  # all of the mall is on this machine, whatever proxy it has
            environment[variable] = ",".join(filter(None, [environment.get(variable), "127.0.0.1,localhost"]))
        environment.setdefault("AWS_ACCESS_KEY_ID", "local")
        environment.setdefault("AWS_SECRET_ACCESS_KEY", "local")
        keys = load_or_make(self.data / "sandbox")  # WeChat and the mall know the same ones
        return environment | mall_environment(keys, self.sandbox_url, self.api_url) | {
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "DYNAMODB_ENDPOINT": self.dynamodb_endpoint,
            "PYTHONUNBUFFERED": "1",
            "YUTANG_STAGE": "local",
            "YUTANG_TABLE_PREFIX": self._prefix,
        }  # fmt: skip

    def _log(self, name: str) -> Path:
        return self.data / "log" / f"{name}.log"

    def _launch(self, name: str) -> None:
        clock = ("--clock", str(self.clock_file))
        told = (
            *("--messages", f"{self.api_url}/v1/callbacks/wechat/messages"),
            *("--sms", f"{self.api_url}/v1/callbacks/sms"),
        )
        module, port, arguments = {
            "sandbox": ("local.sandbox", self.ports.sandbox, ("--data", str(self.data / "sandbox"), *told, *clock)),
            "api": ("local.serve", self.ports.api, clock),
            "worker": ("local.worker", self.ports.control, clock),
        }[name]
        if processes.in_use(port):
            raise StartError(f"port {port} is in use: the {name} cannot listen on it")
        self._servers[name] = processes.module(
            name, module, "--port", str(port), *arguments, environment=self.environment, log=self._log(name)
        )

    def _await(self, name: str) -> None:
        port, path = {
            "sandbox": (self.ports.sandbox, "/_control/ledger"),
            "api": (self.ports.api, "/"),
            "worker": (self.ports.control, "/status"),
        }[name]
        processes.wait_until(lambda: processes.answers(port, path), self._servers[name])

    def run(self, module: str, *arguments: str) -> str:
        """Run a Python module of this repository in the mall's environment; what it printed.

        Raises StartError with the last lines that it printed when it fails.
        """
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_TASK_SECONDS,
            check=False,
        )
        log = self._log(module.rpartition(".")[2])
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(done.stdout)
        if done.returncode != 0:
            tail = "\n".join(done.stdout.splitlines()[-20:])
            raise StartError(f"python -m {module} failed (exit {done.returncode}). Its log {log} ends:\n{tail}")
        return done.stdout

    def restart_api(self, *, kill: bool = False) -> None:
        """Stop the API (as `kill -9` does, where `kill`) and start it again on the same port."""
        self._restart("api", kill)

    def furnish(self) -> None:
        """Put the demonstration catalogue in. Raises StartError."""
        self.run("local.demo.furnish", "--api", self.api_url)

    @contextlib.contextmanager
    def closed(self) -> Iterator[None]:
        """Nobody is served and no job runs meanwhile; the tables and WeChat are there."""
        for name in ("api", "worker"):
            processes.stop([self._servers.pop(name)])
        yield
        for name in ("api", "worker"):
            self._launch(name)
            self._await(name)

    def _restart(self, name: str, kill: bool) -> None:
        process = self._servers.pop(name)
        if kill:
            process.kill()
        else:
            processes.stop([process])
        self._launch(name)
        self._await(name)

    def check(self) -> None:
        """Raise StartError, naming it and with its log's tail, when a process of the mall has died."""
        for process in [*self._servers.values(), *([self._engine] if self._engine else [])]:
            if not process.alive():
                raise process.died()

    @property
    def pids(self) -> dict[str, int]:
        """Its processes that run: sandbox, api and worker, and dynamodb where that is the mall's own."""
        return {name: each.pid for name, each in self._servers.items()} | (
            {"dynamodb": self._engine.pid} if self._engine else {}
        )

    def stop(self) -> None:
        """Stop everything, the engine last, so that what is being written is written. Repeatable."""
        processes.stop(self._servers.values())
        self._servers.clear()
        if self._engine is not None:
            processes.stop([self._engine])
            self._engine = None
        if self._lock is not None:
            with contextlib.suppress(OSError):
                self._lock.close()
            self._lock = None


def running(prefix: str = "yutang-") -> Mall:
    """The mall that `make run` opened on this machine: its addresses and its environment.

    It is another process's: neither enter it nor stop it. Raises StartError when it does not answer.
    """
    data = Path(os.environ.get("YUTANG_LOCAL") or ROOT / ".local")
    mall = Mall(data, ports=Ports.named(), prefix=prefix)
    ports = mall.ports
    for port, path in ((ports.api, "/"), (ports.sandbox, "/_control/ledger"), (ports.control, "/status")):
        if not processes.answers(port, path):
            raise StartError(
                f"no mall answers at http://{HOST}:{port}. Open it with `make run` in another terminal; "
                "where that was given PORT, SANDBOX_PORT, CONTROL_PORT or YUTANG_LOCAL, give the same here"
            )
    mall.environment = mall._make_environment()
    return mall
