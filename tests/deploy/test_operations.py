"""The commands of docs/operations.md are for this template, this repository and these functions."""

from __future__ import annotations

import copy
import importlib.util
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from infra import package
from infra.functions import FUNCTIONS
from local.processes import ROOT

pytestmark = pytest.mark.slow

Json = dict[str, Any]
TEXT = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
#: Indented text is a command, or several; a line that ends in a backslash goes on.
LINES = re.findall(r"(?m)^(?: {4}|\s{6,})(\S.*)$", TEXT.replace("\\\n", " "))
#: CloudFormation's quotas of a template, in bytes: in a request, and in a bucket.
IN_A_REQUEST, IN_A_BUCKET = 51_200, 1_048_576


def commands(*start: str) -> list[list[str]]:
    """The documented commands that begin so, as words."""
    words = [shlex.split(line) for line in LINES if line.startswith(start[0])]
    return [each for each in words if each[: len(start)] == list(start)]


#: As AWS's commands write a template, indented, to what is deployed: the file without the spaces.
COMPACT = {words[4]: words[5] for words in commands(".venv/bin/python", "-m", "json.tool", "--compact")}


def parameters() -> dict[str, str]:
    """The documented parameters.txt."""
    return dict(line.split("=", 1) for line in LINES if re.match(r"[A-Z][A-Za-z]+=\S+$", line))


def test_what_is_deployed_goes_through_a_bucket(built: Path, template: Json) -> None:
    deployments = commands("aws", "cloudformation", "deploy")
    assert len(deployments) == 3
    compact = len(json.dumps(template, separators=(",", ":")))  # what `python -m json.tool --compact` writes
    assert IN_A_REQUEST < compact < (built / "sam.json").stat().st_size < IN_A_BUCKET * 0.75
    for words in deployments:
        assert "--s3-bucket" in words
        assert words[words.index("--template-file") + 1] in COMPACT.values()
        assert words[words.index("--capabilities") + 1] == "CAPABILITY_IAM"
    (taken_in,) = commands("aws", "cloudformation", "create-change-set")
    (put,) = commands("aws", "s3", "cp")
    assert put[3] in COMPACT.values()
    assert taken_in[taken_in.index("--template-url") + 1].endswith("/" + Path(put[4]).name)
    assert {"--template-url", "--import-existing-resources", "CAPABILITY_IAM"} < set(taken_in)
    assert "--template-body" not in taken_in


def test_what_is_deployed_can_be_read_back_as_json() -> None:
    (packaged,) = commands("aws", "cloudformation", "package")
    assert "--use-json" in packaged
    assert packaged[packaged.index("--template-file") + 1] == "build/package/sam.json"
    assert packaged[packaged.index("--output-template-file") + 1] in COMPACT
    for words in commands("aws", "cloudformation", "get-template"):
        assert words[words.index("--template-stage") + 1] == "Original"
        assert words[words.index("--output") + 1] == "json"
        assert words[words.index(">") + 1] in COMPACT


def test_the_parameters_are_the_templates(template: Json) -> None:
    told = template["Parameters"]
    assert set(parameters()) == {name for name, one in told.items() if "Default" not in one}
    for words in commands("aws", "cloudformation", "deploy"):
        given = words[words.index("--parameter-overrides") + 1 :]
        assert {one.split("=")[0] for one in given if "=" in one} <= set(told)
    for name, value in parameters().items():
        assert re.fullmatch(told[name].get("AllowedPattern", ".+"), value)
        assert not set(value) & set(" ,"), "they are given in a list, too"


def test_the_tables_can_be_taken_in_by_name(resources: Json) -> None:
    """What CloudFormation wants of a resource that it is to find: a name that no function makes, and to be kept."""
    tables = [one for one in resources.values() if one["Type"] == "AWS::DynamoDB::Table"]
    assert len(tables) > 20
    for one in tables:
        assert isinstance(one["Properties"]["TableName"], str)
        assert one["DeletionPolicy"] == "Retain"


def test_the_commands_are_run_where_they_are_found() -> None:
    assert not [line for line in LINES if line.startswith(("cd ", "python"))]
    modules = re.findall(r"(\S*)python -m ([\w.]+)", "\n".join(LINES))
    assert {"infra.restore", "json.tool", "tools.operator"} == {name for _, name in modules}
    for where, name in modules:
        assert where == ".venv/bin/"
        assert importlib.util.find_spec(name)
    for words in commands("make"):
        assert words[1] + ":" in (ROOT / "Makefile").read_text()


def test_all_functions_are_stopped_before_a_restore() -> None:
    (loop,) = [line for line in LINES if line.startswith("for name in ")]
    assert loop.removeprefix("for name in ").removesuffix("; do").split() == [function.name for function in FUNCTIONS]


def test_going_back_keeps_the_tables_of_what_is_deployed(template: Json) -> None:
    newer = copy.deepcopy(template)
    newer["Resources"]["GiftsTable"] = json.loads(
        json.dumps(newer["Resources"]["OrdersTable"]).replace("yutang-orders", "yutang-gifts")
    )
    jobs = newer["Resources"]["JobsTable"]["Properties"]
    jobs["GlobalSecondaryIndexes"] = [*jobs.get("GlobalSecondaryIndexes", []), {"IndexName": "by_something"}]

    older = package.merged_template("prod", newer)["Resources"]
    for name, one in newer["Resources"].items():
        if one["Type"] == "AWS::DynamoDB::Table":
            assert older[name] == one
    assert older["APIHandlerRole"] == package.merged_template("prod")["Resources"]["APIHandlerRole"]
    with pytest.raises(SystemExit, match="yutang-dev-"):
        package.merged_template("dev", newer)
