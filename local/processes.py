"""Processes of a local mall: started in groups of their own, waited for, and stopped whatever happens to us."""

from __future__ import annotations

import contextlib
import ctypes
import http.client
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
#: For waitress: as many kept-alive connections as a crowd of shoppers has, where it would stop accepting at 100.
ROOM = {"connection_limit": 2000, "backlog": 1024}

#: What a child is given to end by itself before it is killed.
STOP_SECONDS = 5.0
_START_SECONDS = 60.0
_TAIL_LINES = 20
_PR_SET_PDEATHSIG = 1

# Loaded here, because nothing may be imported between fork and exec.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class StartError(Exception):
    """A process could not be started; the message is for the person at the terminal."""


class Process:
    """A child with a name, its output in a log file, in a process group of its own."""

    def __init__(
        self, name: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path, folder: Path = ROOT
    ) -> None:
        self.name = name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self._from = output.tell()
            self._child = subprocess.Popen(
                arguments,
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - one system call, loaded before the fork
            )
        self.pid = self._child.pid

    def alive(self) -> bool:
        """Whether it still runs."""
        return self._child.poll() is None

    def tail(self) -> str:
        """The last lines that this run of it wrote."""
        with self.log.open("rb") as output:
            output.seek(self._from)
            lines = output.read().decode(errors="replace").splitlines()
        return "\n".join(lines[-_TAIL_LINES:])

    def send(self, number: signal.Signals) -> None:
        """Signal the whole group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def wait(self, seconds: float) -> bool:
        """Wait until it has ended; whether it has."""
        try:
            self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def kill(self) -> None:
        """End it at once, as `kill -9` does."""
        self.send(signal.SIGKILL)
        self._child.wait()

    def died(self) -> StartError:
        """What to tell a person about its death."""
        return StartError(
            f"{self.name} stopped (exit {self._child.returncode}). Its log {self.log} ends:\n{self.tail()}"
        )


def _die_with_parent() -> None:
    """On Linux a child is ended by the kernel when we are, even by kill -9."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def module(name: str, module_name: str, *arguments: str, environment: Mapping[str, str], log: Path) -> Process:
    """Start a Python module of this repository."""
    return Process(name, [sys.executable, "-m", module_name, *arguments], environment, log)


def stop(processes: Iterable[Process]) -> None:
    """Ask all to end, then kill the groups of those that have not within STOP_SECONDS. Repeatable."""
    everyone = list(processes)
    for process in everyone:
        process.send(signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    for process in everyone:
        process.wait(max(0.0, deadline - time.monotonic()))
        process.kill()


def free_port() -> int:
    """A port that nobody listens on just now, below those that systems hand to outgoing connections.

    What is chosen here is listened on only later; in between no connection of anybody's must take it.
    """
    for _ in range(200):
        port = random.randrange(15000, 30000)  # noqa: S311 - spreads, keeps no secret
        if not in_use(port):
            return port
    raise StartError("no port from 15000 to 30000 is free")


def in_use(port: int) -> bool:
    """Whether a server of ours could not listen on that port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    return False


def answers(port: int, path: str) -> bool:
    """Whether a server on that port answers HTTP at all, other than with a fault of its own."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def wait_until(ready: Callable[[], bool], process: Process, seconds: float = _START_SECONDS) -> None:
    """Wait until `process` is ready; StartError with its log's tail when it dies or takes too long."""
    deadline = time.monotonic() + seconds
    while True:
        if not process.alive():
            raise process.died()
        if ready():
            return
        if time.monotonic() > deadline:
            raise StartError(f"{process.name} does not answer after {seconds:.0f} s. Its log ends:\n{process.tail()}")
        time.sleep(0.05)
