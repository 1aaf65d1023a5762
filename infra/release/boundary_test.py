"""Tests the roles of the registry's stack and their permissions boundary: `python3 infra/release/boundary_test.py`.

Needs SAM's translator: run it with the Python that sam is installed in.
"""

import copy
import fnmatch
import os
import unittest
from pathlib import Path

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

# SAM looks up the partition by the region.
os.environ.setdefault("AWS_DEFAULT_REGION", "eu-west-3")

ROOT = Path(__file__).resolve().parents[2]
BOUNDARY = {
    "Fn::If": [
        "HasBoundary",
        {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:policy/${PermissionsBoundary}"},
        {"Ref": "AWS::NoValue"},
    ]
}


class Policies:
    """Answers as AWS's managed policies do; SAM asks for their ARNs."""

    def load(self):
        return {}


def read(path):
    return yaml_parse((ROOT / path).read_text())


def roles(template):
    template = copy.deepcopy(template)
    # SAM needs a location of the code, but does not read it.
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = "s3://bucket/key"
    resources = transform(template, {}, Policies())["Resources"]
    return {name: one["Properties"] for name, one in resources.items() if one["Type"] == "AWS::IAM::Role"}


def listed(one):
    return one if isinstance(one, list) else [one]


def statements(document):
    return [one for one in listed(document["Statement"]) if one["Effect"] == "Allow"]


def actions(properties):
    """The actions that a role's own policies allow. oidc.yaml names AWS's policies, which exceed the boundary only where it is harmless."""
    found = set()
    for policy in properties.get("Policies", []):
        for statement in statements(policy["PolicyDocument"]):
            found.update(listed(statement["Action"]))
    return found


class Boundary(unittest.TestCase):
    template = read("template.yaml")
    oidc = read("infra/release/oidc.yaml")["Resources"]
    boundary = oidc["Boundary"]["Properties"]

    def allowed(self, action):
        names = [name for one in statements(self.boundary["PolicyDocument"]) for name in listed(one["Action"])]
        return any(fnmatch.fnmatchcase(action, name) for name in names)

    def test_every_role_has_the_boundary(self):
        found = roles(self.template)
        self.assertGreaterEqual(len(found), 10, found.keys())
        for name, properties in found.items():
            self.assertEqual(properties.get("PermissionsBoundary"), BOUNDARY, name)

    def test_the_boundary_allows_what_a_role_allows(self):
        asked = set().union(*map(actions, roles(self.template).values()))
        self.assertIn("dynamodb:UpdateItem", asked)
        self.assertEqual([action for action in sorted(asked) if not self.allowed(action)], [])
        # The boundary has no other right on the stores: a right that no function uses does not belong in it.
        stores = [
            name
            for one in statements(self.boundary["PolicyDocument"])
            for name in listed(one["Action"])
            if name.split(":")[0] in ("dynamodb", "s3", "sqs")
        ]
        self.assertEqual([name for name in stores if name not in asked], [])

    def test_the_boundary_keeps_out_what_takes_over_an_account(self):
        for action in (
            "iam:PassRole",
            "iam:PutRolePolicy",
            "lambda:InvokeFunction",
            "lambda:UpdateFunctionCode",
            "secretsmanager:GetSecretValue",
            "ssm:GetParameter",
            "sts:AssumeRole",
            "dynamodb:DeleteTable",
            "s3:PutBucketPolicy",
            "kms:PutKeyPolicy",
        ):
            self.assertFalse(self.allowed(action), action)
        for statement in statements(self.boundary["PolicyDocument"]):
            names = listed(statement["Action"])
            for name in names:
                self.assertFalse(name == "*" or name.endswith(":*"), name)
            if "*" in listed(statement["Resource"]):
                self.assertTrue(all(name.split(":")[0] in ("cloudwatch", "xray") for name in names), names)

    def test_no_right_is_given_without_the_boundary(self):
        condition = {"Ref": "Boundary"}
        for policy in self.oidc["StackRole"]["Properties"]["Policies"]:
            for statement in policy["PolicyDocument"]["Statement"]:
                for action in listed(statement.get("Action", [])):
                    for gives in ("CreateRole", "PutRolePolicy", "AttachRolePolicy", "PutRolePermissionsBoundary"):
                        if fnmatch.fnmatchcase(f"iam:{gives}", action):
                            given = statement["Condition"]["StringEquals"]["iam:PermissionsBoundary"]
                            self.assertEqual(given, condition, statement["Sid"])
                    self.assertFalse(fnmatch.fnmatchcase("iam:DeleteRolePermissionsBoundary", action), statement)
                    # The stack cannot change the boundary: its path differs from the prefix of the stack's policies.
                    if fnmatch.fnmatchcase("iam:CreatePolicyVersion", action):
                        self.assertIn("policy/cee-${Environment}-*", str(statement["Resource"]))
        self.assertEqual(self.boundary["Path"], "/cee-release/")
        config = (ROOT / "samconfig.toml").read_text()
        name = self.boundary["ManagedPolicyName"]["Fn::Sub"].replace("${Environment}", "prod")
        self.assertIn(f'"PermissionsBoundary=cee-release/{name}"', config)


if __name__ == "__main__":
    unittest.main()
