#!/usr/bin/env bash
# Tools: agate 1.14.2 (PyPI), which csvkit is made of, and SheetJS 0.18.5 (npm package xlsx). Observed 2026-11-29.
#
# Expected: the French numbers 12,5 and 48,85 in a file with semicolons stay text, or become 12.5 and 48.85. A comma groups thousands only if three
#   digits follow it. pandas leaves them as text.
# Observed: they become the numbers 125 and 4885, without a warning, as if each comma grouped thousands. SheetJS goes on showing "12,5", so that
#   the sheet looks right.
# What it means: distances grow ten times and coordinates a hundred times, by as much as each cell has decimals. Read as text (csvkit: -I,
#   SheetJS: raw: true), or write a point before a program of this kind gets the file.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet agate==1.14.2 babel==2.19.0 pandas==3.1.1
npm install --silent --no-audit --no-fund --prefix . xlsx@0.18.5

printf 'journey;distance;latitude\nA-1;12,5;48,85\nA-2;7,25;43,2965\n' >journeys.csv
by_python=$(venv/bin/python - <<'PY'
import agate
import pandas

read = {
    "pandas": pandas.read_csv("journeys.csv", sep=";").values.tolist(),
    "agate": [list(row) for row in agate.Table.from_csv("journeys.csv", delimiter=";").rows],
}
for tool, rows in read.items():
    cells = (f"text {cell}" if isinstance(cell, str) else str(cell) for row in rows for cell in row[1:])
    print(f"{tool}: {', '.join(cells)}", end="; ")
PY
)
# shellcheck disable=SC2016 # the quotes hold JavaScript
by_sheetjs=$(node -e '
const xlsx = require("xlsx");
const book = xlsx.read(require("fs").readFileSync("journeys.csv", "utf8"), { type: "string" });
const rows = xlsx.utils.sheet_to_json(book.Sheets[book.SheetNames[0]]);
const cells = rows.flatMap(({ distance, latitude }) => [distance, latitude]).map((cell) => (typeof cell === "string" ? `text ${cell}` : cell));
console.log("SheetJS: " + cells.join(", "));')
observed="$by_python$by_sheetjs"
recorded='pandas: text 12,5, text 48,85, text 7,25, text 43,2965; agate: 125, 4885, 725, 432965; SheetJS: 125, 4885, 725, 432965'
echo "expected: text 12,5, text 48,85, text 7,25, text 43,2965 (or 12.5, 48.85, 7.25, 43.2965), three times"
echo "observed: $observed"
[ "$observed" = "$recorded" ] || { echo "changed since this was recorded: $recorded" >&2; exit 1; }
