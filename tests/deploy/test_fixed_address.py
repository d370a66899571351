"""A mall that lives is given a fixed address, or gives it up: no function stands in the VPC before its ways out are
there, and of those nothing is left where nobody wants them. Whether AWS takes it so is untried."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from infra import sam

pytestmark = pytest.mark.slow

Json = dict[str, Any]
NOTHING = {"Ref": "AWS::NoValue"}
#: Who calls from the fixed address, by what the parameter says.
CALLS = {"RunDueCalls", "RunDueSends", "RunOwedCalls", "RunOwedSends"}
EVERYTHING = CALLS | {"APIHandler", "Operators"}
#: The route out, that it holds in both subnets, what the gateway itself needs to get out, and DynamoDB past it.
WAYS_OUT = {
    "PrivateRoute", "Nat", "PrivateSubnetARoutes", "PrivateSubnetBRoutes", "PublicRoute", "PublicSubnetRoutes",
    "FixedIp", "DynamoDBEndpoint",
}  # fmt: skip


def as_deployed(template: Json, fixed_address: str) -> Json:
    """The resources that there are when the parameter says that, without what stands under its conditions otherwise."""
    holds = {"CallsFixed": fixed_address != "nobody", "AllFixed": fixed_address == "everything"}

    def decided(node: Any) -> Any:
        if isinstance(node, list):
            return [one for one in map(decided, node) if one != NOTHING]
        if not isinstance(node, dict):
            return node
        if node.keys() == {"Fn::If"} and node["Fn::If"][0] in holds:
            condition, then, otherwise = node["Fn::If"]
            return decided(then if holds[condition] else otherwise)
        return {name: found for name, one in node.items() if (found := decided(one)) != NOTHING}

    kept = {name: one for name, one in template["Resources"].items() if holds.get(one.get("Condition", ""), True)}
    return {name: decided(one) for name, one in kept.items()}


def named(node: Any) -> Iterator[str]:
    """Every name that a part of the template refers to, wherever it stands."""
    if isinstance(node, list):
        for one in node:
            yield from named(one)
    elif isinstance(node, dict):
        for name, one in node.items():
            if name == "Ref":
                yield one
            elif name == "Fn::GetAtt":
                yield one.split(".")[0] if isinstance(one, str) else one[0]
            elif name == "Fn::Sub":
                yield from re.findall(r"\$\{([A-Za-z0-9]+)", one if isinstance(one, str) else one[0])
            elif name == "DependsOn":
                yield from [one] if isinstance(one, str) else one
            yield from named(one)


def waited_for(name: str, resources: Json) -> set[str]:
    """All that CloudFormation makes before this resource."""
    found: set[str] = set()
    asked = [name]
    while asked:
        more = set(named(resources[asked.pop()])) & resources.keys() - found
        found |= more
        asked += more
    return found


@pytest.mark.parametrize("region", ["cn-north-1", "ap-southeast-1"])
@pytest.mark.parametrize(("fixed_address", "moved"), [("nobody", set()), ("calls", CALLS), ("everything", EVERYTHING)])
def test_who_moves_into_the_vpc_waits_for_its_ways_out(
    fixed_address: str, moved: set[str], region: str, template: Json
) -> None:
    resources = as_deployed(sam.expanded(template, region), fixed_address)
    functions = {name: one["Properties"] for name, one in resources.items() if one["Type"] == "AWS::Lambda::Function"}
    assert {name for name, properties in functions.items() if "VpcConfig" in properties} == moved
    network = {name for name, one in resources.items() if one["Type"].startswith("AWS::EC2::")}
    assert bool(network) == bool(moved)
    assert ("SecretsEndpoint" in network) == (fixed_address == "everything")
    for name in moved:
        ways = WAYS_OUT | ({"SecretsEndpoint", "SecretsDoor"} if name not in CALLS else set())
        assert ways <= waited_for(name, resources)
    for name in functions.keys() - moved:
        assert "YUTANG_WAYS_OUT" not in functions[name]["Environment"]["Variables"]
        assert not waited_for(name, resources) & network


@pytest.mark.parametrize("fixed_address", ["nobody", "calls", "everything"])
def test_nothing_refers_to_what_is_not_there(fixed_address: str, template: Json) -> None:
    everything = sam.expanded(template, "cn-north-1")["Resources"]
    resources = as_deployed({"Resources": everything}, fixed_address)
    assert {name for name in everything.keys() - resources.keys() if name in set(named(resources))} == set()


def test_secrets_are_read_by_their_usual_name_through_a_door_for_the_functions_alone(resources: Json) -> None:
    endpoint, door = resources["SecretsEndpoint"]["Properties"], resources["SecretsDoor"]["Properties"]
    assert endpoint["ServiceName"] == {"Fn::Sub": "com.amazonaws.${AWS::Region}.secretsmanager"}
    assert (endpoint["VpcEndpointType"], endpoint["PrivateDnsEnabled"]) == ("Interface", True)
    assert endpoint["SecurityGroupIds"] == [{"Ref": "SecretsDoor"}]
    assert resources["APIHandler"]["Properties"]["VpcConfig"]["Fn::If"][1] == {
        "SubnetIds": endpoint["SubnetIds"], "SecurityGroupIds": [{"Ref": "OutwardOnly"}]
    }  # fmt: skip
    (rule,) = door["SecurityGroupIngress"]
    assert (rule["FromPort"], rule["ToPort"], rule["SourceSecurityGroupId"]) == (443, 443, {"Ref": "OutwardOnly"})
