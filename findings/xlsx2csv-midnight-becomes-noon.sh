#!/usr/bin/env bash
# Tool: xlsx2csv 0.8.6 (PyPI), with openpyxl 3.1.5 as the writer and as another reader. Observed 2026-11-29.
#
# Expected: a cell with 15 February 2021, 0:00, in the format "yyyy-mm-dd h:mm:ss" that openpyxl and pandas give to dates with a time, becomes
#   "2021-02-15 00:00:00". In Excel's formats, h counts to 23 unless AM/PM stands behind it.
# Observed: it becomes "2021-02-15 12:00:00", and 13:05 becomes "01:05:00": h is written by the 12-hour clock, without AM or PM. So 0:30 and 12:30
#   are the same text. Half past eight becomes "08:29:59", because a fraction of a day is cut off and not rounded.
# What it means: dates of commitment that were midnight are noon in the CSV file, and journeys of the afternoon are twelve hours early. The
#   text looks right. Export with openpyxl or pandas, or give the cells the format "yyyy-mm-dd".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet xlsx2csv==0.8.6 openpyxl==3.1.5

observed=$(venv/bin/python - <<'PY'
import csv
import datetime
import openpyxl
from xlsx2csv import Xlsx2csv

times = [(0, 0), (0, 30), (8, 30), (12, 30), (13, 5)]
book = openpyxl.Workbook()
for hour, minute in times:
    book.active.append([datetime.datetime(2021, 2, 15, hour, minute)])
book.save("history.xlsx")
read = [str(row[0].value) for row in openpyxl.load_workbook("history.xlsx").active]
Xlsx2csv("history.xlsx", outputencoding="utf-8").convert("history.csv")
with open("history.csv", newline="") as file:
    written = [row[0] for row in csv.reader(file)]
print("; ".join(f"{a[11:]} -> {b[11:]}" for a, b in zip(read, written)))
PY
)
recorded='00:00:00 -> 12:00:00; 00:30:00 -> 12:30:00; 08:30:00 -> 08:29:59; 12:30:00 -> 12:30:00; 13:05:00 -> 01:05:00'
echo "expected: the same time on both sides, five times"
echo "observed: $observed"
[ "$observed" = "$recorded" ] || { echo "changed since this was recorded: $recorded" >&2; exit 1; }
