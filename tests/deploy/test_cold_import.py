"""The request path imports little: a fresh process that imports the API, and what does not belong in it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
#: Imported by the use case that needs one; or never, in a deployed mall.
BANNED = (
    "requests", "cryptography", "boto3", "aws_xray_sdk", "flask", "waitress", "werkzeug", "wechatpayv3", "moto",
    "chalicelib.gateways.wechat", "chalicelib.platform.store.tools", "local", "tools", "tests", "bench", "infra",
)  # fmt: skip


def test_importing_the_api_loads_nothing_that_it_does_not_need() -> None:
    code = "import sys; import app; print(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert "chalicelib.platform.web.edge" in loaded
    found = [name for name in loaded if any(name == each or name.startswith(each + ".") for each in BANNED)]
    assert found == []
