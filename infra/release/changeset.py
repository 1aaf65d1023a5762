#!/usr/bin/env python3
"""Prints the changes of a change set as a table in Markdown. Fails if the change set would lose stored data.

    aws cloudformation describe-change-set --change-set-name ARN --output json | python3 infra/release/changeset.py

Refuses a change set that removes or replaces a table, bucket, key or queue, or of which CloudFormation does not know yet whether it does.
The DeletionPolicy makes no difference: a retained resource stays in the account, but the registry would continue with an empty one. The
AWS command line requests all pages and joins them. An input that is one page of several is refused, because the other pages may contain
anything.
"""

import json
import sys

STORES = {"AWS::DynamoDB::Table", "AWS::KMS::Key", "AWS::S3::Bucket", "AWS::SQS::Queue"}
# Removal is an action; "Dynamic" is CloudFormation's name for an action that it cannot determine beforehand.
LOSING_ACTIONS = {"Remove", "Dynamic"}
LOSING_REPLACEMENTS = {"True", "Conditional"}


def loses(change):
    """Whether this change of a resource may lose stored data of the registry."""
    return change["ResourceType"] in STORES and (
        change["Action"] in LOSING_ACTIONS
        or change.get("Replacement") in LOSING_REPLACEMENTS
        # What happens to the existing resource; absent if there is no replacement.
        or (change.get("PolicyAction") or "").startswith("Replace")
    )


def touched(change):
    """The properties of the resource that change, and other attributes, such as its tags."""
    targets = [detail.get("Target", {}) for detail in change.get("Details") or []]
    return sorted({target.get("Name") or target.get("Attribute", "") for target in targets} - {""})


def row(change):
    """A line of the table."""
    cells = [
        change["Action"] + (" **REFUSED**" if loses(change) else ""),
        change["LogicalResourceId"],
        change["ResourceType"],
        change.get("Replacement") or "",
        change.get("PolicyAction") or "",
        ", ".join(touched(change)),
    ]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def judge(described):
    """The table, and the reasons for a refusal: an empty list if the change set may be executed."""
    if described.get("NextToken"):
        return "", ["one page of several: more changes are not shown"]
    if described.get("Status") != "CREATE_COMPLETE" or described.get("ExecutionStatus") != "AVAILABLE":
        return "", [f"cannot be executed: {described.get('Status')}, {described.get('ExecutionStatus')}"]
    changes = [change["ResourceChange"] for change in described.get("Changes", []) if "ResourceChange" in change]
    # Refused changes first, then removals and replacements: they must be easy to find.
    changes.sort(
        key=lambda change: (
            not loses(change),
            change["Action"] != "Remove",
            change.get("Replacement") not in LOSING_REPLACEMENTS,
            change["ResourceType"],
            change["LogicalResourceId"],
        )
    )
    lines = [
        f"### {described['StackName']}: {len(changes)} changes",
        "",
        f"`{described['ChangeSetId']}`",
        "",
        "| action | resource | type | replaced | of the old one | what |",
        "|---|---|---|---|---|---|",
        *map(row, changes),
    ]
    refused = [
        f"{change['LogicalResourceId']} ({change['ResourceType']}): {change['Action']}, "
        f"replacement {change.get('Replacement') or 'none'}"
        for change in changes
        if loses(change)
    ]
    return "\n".join(lines), refused


def main():
    table, refused = judge(json.load(sys.stdin))
    print(table)
    for reason in refused:
        print(f"\n**Refused.** {reason}")
    if refused:
        sys.exit("refused:\n" + "\n".join(refused))


if __name__ == "__main__":
    main()
