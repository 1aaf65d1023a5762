"""Tests which change sets are refused: `python3 infra/release/changeset_test.py`."""

import json
import subprocess
import sys
import unittest
from pathlib import Path

from changeset import STORES, judge

ARN = "arn:aws:cloudformation:eu-west-3:123456789012:changeSet/samcli-deploy1/0"
SCRIPT = Path(__file__).with_name("changeset.py")


def change(action, kind, replacement=None, name="Thing", **more):
    """As CloudFormation writes it: an added or removed resource has no `Replacement`."""
    resource = {"Action": action, "LogicalResourceId": name, "ResourceType": kind, "Details": [], **more}
    if replacement is not None:
        resource["Replacement"] = replacement
    return {"Type": "Resource", "ResourceChange": resource}


def described(*changes, **more):
    return {
        "ChangeSetId": ARN,
        "StackName": "cee-prod",
        "Status": "CREATE_COMPLETE",
        "ExecutionStatus": "AVAILABLE",
        "Changes": list(changes),
        **more,
    }


class ChangeSet(unittest.TestCase):
    def refused(self, *changes, **more):
        return judge(described(*changes, **more))[1]

    def test_a_store_that_may_go_is_refused(self):
        for kind in STORES:
            for action, replacement in [
                ("Remove", None),
                ("Dynamic", None),
                ("Modify", "True"),
                ("Modify", "Conditional"),
            ]:
                with self.subTest(kind=kind, action=action, replacement=replacement):
                    (reason,) = self.refused(change(action, kind, replacement, "ClaimsTable"))
                    self.assertIn("ClaimsTable", reason)

    def test_retained_is_refused_as_well(self):
        table = "AWS::DynamoDB::Table"
        self.assertTrue(self.refused(change("Remove", table, PolicyAction="Retain")))
        self.assertTrue(self.refused(change("Modify", table, "True", PolicyAction="ReplaceAndRetain")))
        self.assertTrue(self.refused(change("Modify", table, PolicyAction="ReplaceAndDelete")))

    def test_a_store_that_stays_is_not(self):
        for kind in STORES:
            self.assertEqual(self.refused(change("Add", kind)), [])
            self.assertEqual(self.refused(change("Import", kind)), [])
            self.assertEqual(self.refused(change("Modify", kind, "False")), [])

    def test_every_deployment_replaces_versions_and_alarms(self):
        self.assertEqual(
            self.refused(
                change("Remove", "AWS::Lambda::Version"),
                change("Add", "AWS::Lambda::Version"),
                change("Modify", "AWS::CloudWatch::Alarm", "True", PolicyAction="ReplaceAndDelete"),
                change("Modify", "AWS::Lambda::Permission", "Conditional"),
            ),
            [],
        )

    def test_one_among_many_is_found_and_stands_first(self):
        many = [change("Modify", "AWS::Lambda::Function", "False", f"F{number:03}") for number in range(200)]
        many.insert(150, change("Modify", "AWS::DynamoDB::Table", "True", "ClaimsTable"))
        table, refused = judge(described(*many))
        self.assertEqual(len(refused), 1)
        self.assertIn("ClaimsTable", table.splitlines()[6])
        self.assertEqual(table.count("REFUSED"), 1)

    def test_what_changes_is_told(self):
        details = [
            {"Target": {"Attribute": "Properties", "Name": "DeletionProtectionEnabled", "RequiresRecreation": "Never"}},
            {"Target": {"Attribute": "Tags", "RequiresRecreation": "Never"}},
            {"Target": {"Attribute": "Properties", "Name": "DeletionProtectionEnabled", "RequiresRecreation": "Never"}},
        ]
        table, refused = judge(described(change("Modify", "AWS::DynamoDB::Table", "False", Details=details)))
        self.assertEqual(refused, [])
        self.assertIn("| DeletionProtectionEnabled, Tags |", table)

    def test_a_page_of_several_is_refused(self):
        self.assertTrue(self.refused(change("Add", "AWS::SNS::Topic"), NextToken="more"))

    def test_what_cannot_be_executed_is_refused(self):
        self.assertTrue(self.refused(Status="FAILED", ExecutionStatus="UNAVAILABLE"))
        self.assertTrue(self.refused(ExecutionStatus="OBSOLETE"))

    def run_script(self, text):
        return subprocess.run([sys.executable, "-B", SCRIPT], input=text, capture_output=True, text=True, check=False)

    def test_as_the_workflow_runs_it(self):
        good = self.run_script(json.dumps(described(change("Add", "AWS::SNS::Topic"))))
        self.assertEqual((good.returncode, good.stderr), (0, ""))
        self.assertIn(ARN, good.stdout)
        bad = self.run_script(json.dumps(described(change("Remove", "AWS::KMS::Key", name="DataKey"))))
        self.assertEqual(bad.returncode, 1)
        self.assertIn("DataKey", bad.stderr)
        self.assertIn("**Refused.** DataKey", bad.stdout)
        # A failed `aws` writes nothing.
        self.assertNotEqual(self.run_script("").returncode, 0)


if __name__ == "__main__":
    unittest.main()
