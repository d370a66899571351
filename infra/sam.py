"""SAM's transform on this machine: the template as CloudFormation will have it. For checks; nothing is deployed so."""

from __future__ import annotations

import copy
from typing import Any

import boto3
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

Json = dict[str, Any]


def expanded(template: Json, region: str) -> Json:
    """The template without SAM's own resources, as the transform in that region makes it."""
    template = copy.deepcopy(template)
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":  # `aws cloudformation package` puts it into a bucket
            resource["Properties"]["CodeUri"] = {"Bucket": "packages", "Key": "deployment.zip"}
    translator = Translator({}, Parser(), boto_session=boto3.Session(region_name=region))
    found: Json = translator.translate(template, {})
    return found
