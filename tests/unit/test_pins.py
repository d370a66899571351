"""What is installed is what was there when the pins were made; and CI hears of known vulnerabilities."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from infra.package import _CHALICE
from tools import advisories
from tools.advisories import told
from tools.pins import FILES, hashed, pins

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", FILES)
def test_every_package_is_pinned_with_a_hash(name: str) -> None:
    text = (ROOT / name).read_text()
    blocks = [block for block in re.split(r"\n(?![ #\n])", "\n" + re.sub(r"#.*", "", text)) if block.strip()]
    assert len(blocks) == len(pins(text)) > 0
    for block in blocks:
        assert re.fullmatch(r"\S+==\S+( \\\n    --hash=sha256:[0-9a-f]{64})+", block.strip()), block


def test_chalice_is_taken_out_with_its_hashes_and_nothing_else() -> None:
    text = (ROOT / "requirements.txt").read_text()
    left = _CHALICE.sub("", text)
    assert pins(text).keys() - pins(left).keys() == {"chalice"}
    assert [line for line in left.splitlines() if line in text.splitlines()] == left.splitlines()


def test_hashes_stand_under_their_pins_and_comments_stay() -> None:
    text = "# deployed\nB_x==1 \\\n    --hash=sha256:old\n\n# more\na==2\n"
    found = "a==2 \\\n    --hash=sha256:aa \\\n    --hash=sha256:ab\nb-x==1 \\\n    --hash=sha256:bb\n"
    two = "a==2 \\\n    --hash=sha256:aa \\\n    --hash=sha256:ab\n"
    wanted = f"# deployed\nB_x==1 \\\n    --hash=sha256:bb\n\n# more\n{two}"
    assert hashed(text, found) == wanted
    assert hashed(wanted, found) == wanted


def test_a_known_vulnerability_is_named_with_its_mend() -> None:
    report = {
        "dependencies": [
            {"name": "a", "version": "1", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2"]}]},
            {"name": "b", "version": "1", "vulns": []},
            {"name": "c", "skip_reason": "not found"},
        ]
    }
    assert told(json.dumps(report).encode()) == (["a 1: PYSEC-1, mended in 2"], ["c"])


@pytest.mark.parametrize("report", [b"", b"ERROR", b"[]", b"{}"])
def test_what_is_no_report_says_nothing(report: bytes) -> None:
    with pytest.raises((ValueError, KeyError)):
        told(report)


def asked(monkeypatch: pytest.MonkeyPatch, stderr: str, stdout: bytes = b"") -> int:
    """What asking ends with, where pip-audit says this."""
    done = subprocess.CompletedProcess([], 1, stdout, stderr.encode())
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    return advisories.main()


@pytest.mark.parametrize(
    "stderr",
    [
        "/usr/bin/python: No module named pip_audit",
        "usage: pip-audit [-h] [--timeout TIMEOUT]\npip-audit: error: unrecognized arguments: --nonsense",
        "pip-audit: error: argument --timeout: invalid int value: 'soon'",
        "ERROR:pip_audit._cli:invalid requirements input: requirements.txt",
        "Traceback:\n  File \"urllib3/connectionpool.py\", line 1, in urlopen\n    x()\nKeyError: 'dependencies'",
        "",
    ],
)
def test_that_pip_audit_fails_is_a_fault_and_is_told(
    stderr: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asked(monkeypatch, stderr) == 1
    said = capsys.readouterr().out
    assert "nobody answered" not in said
    assert said.splitlines()[1:] == stderr.splitlines()[-5:]


@pytest.mark.parametrize(
    "stderr",
    [
        "ERROR:pip_audit._cli:Could not connect to PyPI's vulnerability feed\n",
        "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='pypi.org', port=443): Max retries exceeded",
        "requests.exceptions.ReadTimeout: HTTPSConnectionPool(host='pypi.org', port=443): Read timed out.",
    ],
)
def test_that_nobody_answers_is_said_and_is_no_fault(
    stderr: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asked(monkeypatch, stderr) == 0
    assert "nobody answered" in capsys.readouterr().out


def test_that_it_takes_too_long_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_: object, **__: object) -> None:
        raise subprocess.TimeoutExpired("pip-audit", 120)

    monkeypatch.setattr(subprocess, "run", slow)
    assert advisories.main() == 0


def test_what_was_found_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    clean: dict[str, object] = {"name": "a", "version": "1", "vulns": []}
    bad = clean | {"vulns": [{"id": "PYSEC-1", "fix_versions": []}]}
    assert asked(monkeypatch, "", json.dumps({"dependencies": [clean]}).encode()) == 0
    assert asked(monkeypatch, "", json.dumps({"dependencies": [bad]}).encode()) == 1
