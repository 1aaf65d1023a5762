"""Validates history files with a third-party validator, and prints for each file one line of JSON with the invalid lines.

Usage: validate.py SCHEMA [VALIDATOR] < one JSON object per line: {"path", "separator", "header_line", "rows"}; the last three are null for
a file that our reader refuses whole. VALIDATOR is frictionless (the default), tableschema, tableschema.js (NODE_PATH names its folder) or
validata-core.

A Table Schema does not describe how a file is written (separator, encoding, names in capitals). Our reader determines that, and the
comparison is about rows. Each row is validated by itself, under its header.
"""

import csv
import io
import json
import logging
import pathlib
import subprocess
import sys


def frictionless(path):
    from frictionless import Detector, Dialect, Resource, Schema, formats

    schema = Schema.from_descriptor(path)

    def faults(data, separator):
        dialect = Dialect(controls=[formats.CsvControl(delimiter=separator)])
        detector = Detector(schema_sync=True)
        resource = Resource(
            data, format="csv", encoding="utf-8", dialect=dialect, detector=detector, schema=schema.to_copy()
        )
        report = resource.validate()
        errors = report.errors + [error for task in report.tasks for error in task.errors]
        return sorted({error.type for error in errors})

    return faults


def cells(data, separator):
    """The header and the cells of each row, as Python reads them; None if Python cannot read them, or if there are no rows."""
    text = io.StringIO(data.decode("utf-8", errors="replace").removeprefix("\ufeff"), newline="")
    try:
        rows = [row for row in csv.reader(text, delimiter=separator) if row]
    except csv.Error:
        return None
    return rows if len(rows) > 1 else None


def by_cells(names, cast):
    """A validator that reads no files: gives it the cells in the order of the schema's fields, as its own readers do."""

    def faults(data, separator):
        rows = cells(data, separator)
        if rows is None:
            return ["row"]
        header, found = rows[0], set()
        if len(set(header)) < len(header) or any(name not in header for name in names):
            return ["header"]
        for row in rows[1:]:
            found |= {"row"} if len(row) != len(header) else set(cast([row[header.index(name)] for name in names]))
        return sorted(found)

    return faults


def tableschema(path):
    import tableschema

    schema = tableschema.Schema(path)

    def cast(row):
        try:
            schema.cast_row(row)
        except tableschema.exceptions.CastError as error:
            return sorted({type(fault).__name__ for fault in error.errors or [error]})
        return []

    return by_cells(schema.field_names, cast)


def tableschema_js(path):
    names = [field["name"] for field in json.load(open(path))["fields"]]
    script = pathlib.Path(__file__).with_name("tableschema.js")
    node = subprocess.Popen(["node", script, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def cast(row):
        node.stdin.write(json.dumps(row) + "\n")
        node.stdin.flush()
        return json.loads(node.stdout.readline())

    return by_cells(names, cast)


def validata_core(path):
    import validata_core

    logging.disable()
    schema = json.load(open(path))

    def faults(data, separator):
        rows = cells(data, separator)
        if rows is None:
            return ["row"]
        report = validata_core.validate(rows, schema)
        errors = report["errors"] + [error for task in report["tasks"] for error in task["errors"]]
        return sorted({error["code"] for error in errors})

    return faults


VALIDATORS = {
    "frictionless": frictionless,
    "tableschema": tableschema,
    "tableschema.js": tableschema_js,
    "validata-core": validata_core,
}


def text(line):
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("cp1252", errors="replace")


def rows(faults, content, separator, header_line, numbers):
    lines = content.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    lines = [text(line) for line in lines]
    blank = set(" \t" + separator)
    names = [name.strip(' "\u00a0').lower() for name in lines[header_line - 1].split(separator)]
    while not names[-1]:
        names.pop()
    header = separator.join(names)
    found = {}
    for number, following in zip(numbers, numbers[1:] + [len(lines) + 1]):
        row = lines[number - 1 : following - 1]
        while set(row[-1]) <= blank:
            row.pop()
        kinds = faults("\n".join([header, *row, ""]).encode(), separator)
        if kinds:
            found[number] = kinds
    return found


def main():
    faults = VALIDATORS[(sys.argv[2:] or ["frictionless"])[0]](sys.argv[1])
    for request in map(json.loads, sys.stdin):
        with open(request["path"], "rb") as file:
            content = file.read()
        separator = request["separator"]
        if separator is None:
            kinds = faults(content, ",") if content else ["source-error"]
            found = {0: kinds} if kinds else {}
        else:
            found = rows(faults, content, separator, request["header_line"], request["rows"])
        print(json.dumps(found), flush=True)


main()
