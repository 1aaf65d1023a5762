#!/usr/bin/env bash
# Tools: tablib 3.10.0 (Python) writes a spreadsheet in OpenDocument format, SheetJS 0.18.5 (npm package xlsx) reads it.
# Observed 2026-11-27.
#
# Expected: the text cell "TO " (a two-letter name padded to three characters) comes back as "TO ", as it does from the .xlsx
#   file that the same tablib writes.
# Observed: tablib writes the space at the end of the paragraph as it is. OpenDocument ignores white space at the end of a
#   paragraph unless it is written as a <text:s/> element, so SheetJS reads "TO". tablib itself reads "TO " back, and does not
#   notice.
# What it means: a name from an .ods file may have lost its padding although the program that wrote the file shows it. Pad names
#   again after reading, or send CSV.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet 'tablib[ods,xlsx]==3.10.0' odfpy==1.4.1 openpyxl==3.1.5
npm install --silent --no-audit --no-fund --prefix . xlsx@0.18.5

by_tablib=$(venv/bin/python - <<'PY'
import tablib

data = tablib.Dataset(["TO ", "+336399801"], headers=["last_name_trunc", "phone_trunc"])
for kind in ("ods", "xlsx"):
    with open(f"history.{kind}", "wb") as file:
        file.write(data.export(kind))
with open("history.ods", "rb") as file:
    print(f"tablib reads its .ods: [{tablib.Dataset().load(file, 'ods')[0][0]}]")
PY
)
# shellcheck disable=SC2016 # the quotes hold JavaScript
by_sheetjs=$(node -e '
const xlsx = require("xlsx");
for (const kind of ["ods", "xlsx"]) {
  const book = xlsx.readFile("history." + kind);
  const rows = xlsx.utils.sheet_to_json(book.Sheets[book.SheetNames[0]]);
  process.stdout.write(`; SheetJS reads the .${kind}: [${rows[0].last_name_trunc}]`);
}')
observed="$by_tablib$by_sheetjs"
recorded='tablib reads its .ods: [TO ]; SheetJS reads the .ods: [TO]; SheetJS reads the .xlsx: [TO ]'
echo "expected: [TO ] from both files and both readers"
echo "observed: $observed"
[ "$observed" = "$recorded" ] || { echo "changed since this was recorded: $recorded" >&2; exit 1; }
