"""What is deployed around the code: the template, the alarms, the first operator."""

from __future__ import annotations

#: What CloudFormation leaves out, where a condition does not hold.
NOTHING = {"Ref": "AWS::NoValue"}
