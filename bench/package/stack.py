"""How much of what AWS allows to one stack and one API the packaged mall needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from infra import sam

#: For which the template is expanded; what is there only under a condition counts everywhere.
_REGION = "cn-north-1"


class Stack(msgspec.Struct, frozen=True):
    """Paths of the API; its resources, which are all beginnings of these; and CloudFormation's resources."""

    paths: int
    api_resources: int
    resources: int


def count(template: Path) -> Stack:
    """Of a packaged template (sam.json)."""
    packaged: dict[str, Any] = msgspec.json.decode(template.read_bytes())
    paths = packaged["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]["paths"]
    return Stack(len(paths), len(beginnings(paths)), len(sam.expanded(packaged, _REGION)["Resources"]))


def beginnings(paths: Any) -> set[str]:
    """Every resource that API Gateway makes for these paths: one for each part of each path, and the root."""
    found = {"/"}
    for path in paths:
        parts = [part for part in path.split("/") if part]
        found |= {"/" + "/".join(parts[:end]) for end in range(1, len(parts) + 1)}
    return found
