"""What the Frictionless validator makes of history files: for each file one line of JSON with the lines at fault.

Usage: validate.py SCHEMA < one JSON object a line: {"path", "separator", "header_line"}, the latter two null for a file that
our reader refuses whole.

How a file is written (separator, encoding, names in capitals) is no matter of a Table Schema: that much is told by our
reader, and the comparison is about rows. A line is a row there, so each is validated by itself, under its header.
"""

import json
import sys

from frictionless import Detector, Dialect, Resource, Schema, formats

schema = Schema.from_descriptor(sys.argv[1])


def text(line):
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("cp1252", errors="replace")


def faults(data, separator):
    dialect = Dialect(controls=[formats.CsvControl(delimiter=separator)])
    detector = Detector(schema_sync=True)
    resource = Resource(
        data, format="csv", encoding="utf-8", dialect=dialect, detector=detector, schema=schema.to_copy()
    )
    report = resource.validate()
    errors = report.errors + [error for task in report.tasks for error in task.errors]
    return sorted({error.type for error in errors})


def rows(content, separator, header_line):
    lines = content.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    lines = [text(line) for line in lines]
    blank = set(" \t" + separator)
    names = [name.strip(' "\u00a0').lower() for name in lines[header_line - 1].split(separator)]
    while not names[-1]:
        names.pop()
    header = separator.join(names)
    found = {}
    for number, line in enumerate(lines[header_line:], header_line + 1):
        if not set(line) <= blank:
            kinds = faults(f"{header}\n{line}\n".encode(), separator)
            if kinds:
                found[number] = kinds
    return found


for request in map(json.loads, sys.stdin):
    with open(request["path"], "rb") as file:
        content = file.read()
    separator = request["separator"]
    if separator is None:
        kinds = faults(content, ",") if content else ["source-error"]
        found = {0: kinds} if kinds else {}
    else:
        found = rows(content, separator, request["header_line"])
    print(json.dumps(found), flush=True)
