#!/usr/bin/env bash
# Tool: polars 2.1.0 with fastexcel 0.21.0, its default reader of .xlsx (PyPI), beside pandas 3.1.1 with openpyxl 3.1.5. Observed 2026-11-29.
#
# Expected: a column of 1,200 dates whose last cell is the text "16/02/2021", as one typed row in a French sheet is, becomes text, or read_excel
#   fails. polars' read_csv fails on a value that does not fit what it guessed from the first rows, and says so. pandas returns the text.
# Observed: the last cell is null, without an error or a warning, and in a sheet of one column the whole row is gone. If the text is among the
#   first rows, the column becomes text and nothing is lost.
# What it means: rows that a person corrected at the end of a long sheet arrive without a date, or not at all. Pass infer_schema_length=None or
#   the types, and compare the number of nulls and of rows with the sheet.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet polars==2.1.0 fastexcel==0.21.0 pandas==3.1.1 openpyxl==3.1.5 pyarrow==26.0.1

observed=$(venv/bin/python -W ignore - <<'PY'
import datetime
import openpyxl
import pandas
import polars

def sheet(name, columns, before):
    """1,200 dates, and behind as many rows as `before` a text."""
    book = openpyxl.Workbook()
    book.active.append(columns)
    for row in range(1201):
        date = "16/02/2021" if row == before else datetime.datetime(2021, 2, 15)
        book.active.append([date, "DUP"][: len(columns)])
    book.save(name)

sheet("early.xlsx", ["datetime", "last_name_trunc"], 10)
sheet("late.xlsx", ["datetime", "last_name_trunc"], 1200)
sheet("one.xlsx", ["datetime"], 1200)
print(
    f"text in row 10: {polars.read_excel('early.xlsx')['datetime'][10]}",
    f"text in row 1200: {polars.read_excel('late.xlsx')['datetime'][1200]}",
    f"the same by pandas: {pandas.read_excel('late.xlsx', engine='openpyxl')['datetime'][1200]}",
    f"rows of one column: {polars.read_excel('one.xlsx').height} of 1201",
    f"all rows looked at: {polars.read_excel('late.xlsx', infer_schema_length=None)['datetime'][1200]}",
    sep="; ",
)
PY
)
recorded='text in row 10: 16/02/2021; text in row 1200: None; the same by pandas: 16/02/2021; rows of one column: 1200 of 1201; all rows looked at: 16/02/2021'
echo "expected: 16/02/2021 each time, or an error, and 1201 of 1201"
echo "observed: $observed"
[ "$observed" = "$recorded" ] || { echo "changed since this was recorded: $recorded" >&2; exit 1; }
