"""Package the mall for deployment: `chalice package`, and then a zip that is small, compiled and always the same.

    python -m infra.package --stage prod --region cn-north-1        (make package)

leaves build/package/deployment.zip and build/package/sam.json. With `--tables deployed.json`, the template that is
deployed now, its tables stay as they are: for going back to an older version of the code (docs/operations.md).

Of the 23 MB that Chalice packs, 15 are botocore's descriptions of services that the mall does not use; and nothing is
compiled, although Lambda cannot write .pyc files: every cold start would compile everything anew. Of others' modules
the compiled file is all that is needed; the mall's own sources go along, so that its tracebacks show their lines.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from infra import alarms, api, cdn, firewall, functions, tables, uploads

Json = dict[str, Any]

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
TEMPLATE = Path(__file__).with_name("template.json")
NETWORK = Path(__file__).with_name("network.json")

#: What Lambda runs the mall on, in every region; Chalice packs for the Python that runs it.
RUNTIME = (3, 13)
#: Services whose descriptions stay: the mall's data, and where its secrets may be kept.
SERVICES = frozenset({"dynamodb", "secretsmanager", "ssm", "sts"})
#: Variables whose values are given at deployment, or follow from a resource.
_PARAMETERS = {
    "YUTANG_PUBLIC_URL": "PublicUrl",
    "YUTANG_WECHAT_APPID": "WechatAppid",
    "YUTANG_WECHAT_MCHID": "WechatMchid",
    "YUTANG_WECHAT_MERCHANT_SERIAL": "WechatMerchantSerial",
    "YUTANG_WECHAT_OA_APPID": "WechatOaAppid",
    "YUTANG_WECHAT_OPEN_PLATFORM": "WechatOpenPlatform",
    "YUTANG_SMS_VENDOR": "SmsVendor",
    "YUTANG_SMS_KEY_ID": "SmsAccessId",
    "YUTANG_SMS_SIGN": "SmsSign",
    "YUTANG_SMS_APP_ID": "SmsAppId",
    "YUTANG_UPLOADS_BUCKET": uploads.BUCKET,
    "YUTANG_PICTURES_URL": "PicturesUrl",
    "YUTANG_CDN_SECONDS": "CdnSeconds",
    "YUTANG_EVENTS_BUCKET": "EventsBucket",
    "YUTANG_ACCOUNT_ID": "AWS::AccountId",
    # Nobody reads it: Lambda replaces every environment of a function whose variables change.
    "YUTANG_SECRETS_VERSION": "SecretsVersion",
}
_DROPPED = re.compile(
    r"""
    (^|/)__pycache__/ | \.py[ci]$ | \.c$ | (^|/)py\.typed$
    | ^[^/]+\.(dist-info|data)/ | ^[^/]+-stubs/ | (^|/)(tests?|examples)/ | ^(cffi|pycparser)/ | ^typing_extensions\.py$
    | ^dateutil/zoneinfo/.*\.tar\.gz$
    | ^boto3/data/ | ^botocore/data/.*/(examples|paginators|waiters)-\d+\.json | ^botocore/data/[^/]*/2011-12-05/
    """,
    re.VERBOSE,
)
#: Chalice's pin with its hashes.
_CHALICE = re.compile(r"^chalice==.*\n(?:[ \t].*\n)*", re.MULTILINE)
_SERVICE = re.compile(r"^botocore/data/([^/]+)/")
#: What the zip says of every file's age: the oldest that the format can say.
_TIME = (1980, 1, 1, 0, 0, 0)
_COMPILE = ("-m", "compileall", "-q", "-j", "1", "--invalidation-mode", "unchecked-hash")


class Sizes(NamedTuple):
    """Bytes of the zip as Chalice made it and as it is deployed, and of its files unpacked."""

    before: int
    after: int
    unpacked: int


def package(stage: str, out: Path, region: str = "cn-north-1", deployed_now: Json | None = None) -> Sizes:
    """Package the stage into the folder `out`: deployment.zip and sam.json; with the tables of what is deployed now."""
    with tempfile.TemporaryDirectory() as temporary:
        source = _stage(Path(temporary) / "source")
        template = source / "merge.json"
        template.write_bytes(msgspec.json.encode(merged_template(stage, deployed_now)))
        _chalice(source, stage, template, out, region)
    deployed = out / "deployment.zip"
    raw = deployed.rename(out / "chalice.zip")
    return Sizes(raw.stat().st_size, *finish(raw, deployed))


def merged_template(stage: str, deployed_now: Json | None = None) -> Json:
    """What is merged into Chalice's template: template.json and all that is made from the code."""
    template: Json = msgspec.json.decode(TEMPLATE.read_bytes())
    config = msgspec.json.decode((ROOT / ".chalice" / "config.json").read_bytes())
    variables = config["stages"][stage]["environment_variables"]
    given = {name: {"Ref": parameter} for name, parameter in _PARAMETERS.items()}
    kept = {name.removeprefix("YUTANG_").lower(): value for name, value in variables.items() if ":" in value}
    workers = worker_count(variables)
    template["Resources"] |= functions.resources(given, kept, workers)
    template["Resources"] |= firewall.resources()
    template["Resources"] |= cdn.resources()
    template["Resources"] = _merged(template["Resources"], api.resources())
    prefix = variables["YUTANG_TABLE_PREFIX"]
    template["Resources"] |= tables.resources(prefix)
    template["Resources"] |= tables.kept(deployed_now, prefix) if deployed_now else {}
    template["Resources"] |= uploads.resources()
    template["Resources"] |= alarms.resources(stage, workers)
    network = msgspec.json.decode(NETWORK.read_bytes())
    template["Resources"] |= {name: {"Condition": "CallsFixed"} | resource for name, resource in network.items()}
    return template


def _merged(into: Json, more: Json) -> Json:
    """Both, where both say something of a name all of it."""
    both = {name: _merged(into[name], more[name]) for name in into.keys() & more.keys() if isinstance(into[name], dict)}
    return {**into, **more, **both}


def worker_count(variables: dict[str, str]) -> int:
    """How many workers each schedule wakes. Raises SystemExit when that cannot be."""
    workers, shards = int(variables["YUTANG_JOB_WORKERS"]), int(variables["YUTANG_JOB_SHARDS"])
    if not 1 <= workers <= shards:
        raise SystemExit(f"YUTANG_JOB_WORKERS must be from 1 to YUTANG_JOB_SHARDS ({shards}), not {workers}")
    return workers


def _stage(folder: Path) -> Path:
    """A copy of what is deployed. Without Chalice in the requirements: its packager adds the part that runs itself."""
    shutil.copytree(ROOT / "chalicelib", folder / "chalicelib", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "app.py", folder)
    (folder / ".chalice").mkdir()
    shutil.copy(ROOT / ".chalice" / "config.json", folder / ".chalice")
    pins = (ROOT / "requirements.txt").read_text()
    (folder / "requirements.txt").write_text(_CHALICE.sub("", pins))
    return folder


def _chalice(source: Path, stage: str, template: Path, out: Path, region: str) -> None:
    shutil.rmtree(out, ignore_errors=True)
    command = ("-c", "from chalice.cli import main; raise SystemExit(main())", "--project-dir", str(source))
    options = ("--stage", stage, "--merge-template", str(template), str(out.resolve()))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("YUTANG_")}
    # With a fixed seed: the order of the API's paths in the template follows the hashes.
    environment |= {"AWS_DEFAULT_REGION": region, "PYTHONHASHSEED": "0"}
    done = subprocess.run(
        [sys.executable, *command, "package", *options],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0 or not (out / "deployment.zip").exists():
        raise SystemExit(f"chalice package failed:\n{done.stdout}")


def finish(raw: Path, deployed: Path) -> tuple[int, int]:
    """Trim and compile the zip `raw` into `deployed`, the same bytes every time; its size, and unpacked."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with zipfile.ZipFile(raw) as archive:
            archive.extractall(folder, [name for name in archive.namelist() if kept(name)])
        _trim_endpoints(folder / "botocore" / "data" / "endpoints.json")
        # With a fixed seed: the order of a set's constants in the bytecode follows the hashes.
        environment = dict(os.environ) | {"PYTHONHASHSEED": "0"}
        compiled = [sys.executable, *_COMPILE, "-s", str(folder), "-p", "/var/task", str(folder)]
        subprocess.run(compiled, env=environment, check=True)
        _leave_sources_out(folder)
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        with zipfile.ZipFile(deployed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for path in files:
                entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _TIME)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = 0o100644 << 16
                archive.writestr(entry, path.read_bytes())
        return deployed.stat().st_size, sum(path.stat().st_size for path in files)


def _leave_sources_out(folder: Path) -> None:
    """Put what was compiled of others' modules in the place of their sources, where Python finds it as well."""
    own = (folder / "app.py", folder / "chalicelib")
    for source in folder.rglob("*.py"):
        if source not in own and own[1] not in source.parents:
            (compiled,) = (source.parent / "__pycache__").glob(f"{source.stem}.*.pyc")
            compiled.rename(source.with_suffix(".pyc"))
            source.unlink()


def kept(name: str) -> bool:
    """Whether a file of Chalice's zip is deployed."""
    service = _SERVICE.match(name)
    return not _DROPPED.search(name) and (service is None or service[1] in SERVICES)


def _trim_endpoints(file: Path) -> None:
    """Leave out the endpoints of services that are left out themselves; botocore reads all of them at every start."""
    endpoints = msgspec.json.decode(file.read_bytes())
    for partition in endpoints["partitions"]:
        partition["services"] = {name: where for name, where in partition["services"].items() if name in SERVICES}
    file.write_bytes(msgspec.json.encode(endpoints))


def lint(template: Path, region: str) -> None:
    """Let cfn-lint look at the template for the region. Raises SystemExit with what it found."""
    done = subprocess.run(
        [sys.executable, "-c", "from cfnlint.runner import main; main()", "-t", str(template), "-r", region],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise SystemExit(f"cfn-lint found faults:\n{done.stdout}")


def demand_runtime() -> None:
    """Raise SystemExit where another Python than Lambda's would pack: its compiled modules would not run there."""
    has, wants = (f"{major}.{minor}" for major, minor in (sys.version_info[:2], RUNTIME))
    if has != wants:
        raise SystemExit(
            f"what is deployed runs on Python {wants}, and this is {has}: make PYTHON=python{wants} package"
        )


def main() -> int:
    """Package, check the template, and say how large it has become."""
    parser = argparse.ArgumentParser(prog="python -m infra.package", description="Packages the mall for deployment.")
    parser.add_argument("--stage", default="prod")
    parser.add_argument("--region", default="cn-north-1", help="for which the template is checked")
    parser.add_argument("--out", type=Path, default=BUILD / "package")
    parser.add_argument("--tables", type=Path, help="the template that is deployed, whose tables stay as they are")
    arguments = parser.parse_args()
    demand_runtime()
    deployed_now = msgspec.json.decode(arguments.tables.read_bytes()) if arguments.tables else None
    sizes = package(arguments.stage, arguments.out, arguments.region, deployed_now)
    lint(arguments.out / "sam.json", arguments.region)
    before, after, unpacked = (size / 1e6 for size in sizes)
    print(f"{arguments.out / 'deployment.zip'}: {after:.1f} MB ({before:.1f} MB as Chalice packed it), "
          f"{unpacked:.1f} MB unpacked")  # fmt: skip
    print(f"{arguments.out / 'sam.json'}: deployed as docs/operations.md says")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
