#!/usr/bin/env bash
# Tools: PapaParse 5.7.1 (npm) beside csvtojson 2.0.14 (npm). Observed 2026-11-29.
#
# Expected: in a list of names and phones, "nom;telephone", which French Excel separates by semicolons, the separator is detected in short and long
#   files: both columns are in every line, and no other separator occurs.
# Observed: with two columns, fewer than nine rows and a line end at the end of the file, PapaParse gives up (UndetectableDelimiter), takes the
#   comma, and returns one column called "nom;telephone". It seems to count the empty text behind the last line end as a line of one column:
#   without that line end, with nine rows or with three columns it finds the semicolon.
# What it means: a page that reads an operator's list works in the trial with a long file and fails with a short one. Give the delimiter, or
#   skipEmptyLines: true, and check meta.fields before reading rows.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-audit --no-fund --prefix . papaparse@5.7.1 csvtojson@2.0.14

cat > lists.js <<'JS'
const { parse } = require("papaparse");
const csvtojson = require("csvtojson");
const row = "DUPONT;0639980001\n";
const lists = {
  "1 row": "nom;telephone\n" + row,
  "8 rows": "nom;telephone\n" + row.repeat(8),
  "9 rows": "nom;telephone\n" + row.repeat(9),
  "1 row, no line end": "nom;telephone\n" + row.trim(),
  "1 row, 3 columns": "nom;prenom;telephone\nDUPONT;ANNE;0639980001\n",
};
(async () => {
  const results = [];
  for (const [name, list] of Object.entries(lists)) {
    const papaparse = parse(list, { header: true }).meta.fields.length;
    const other = Object.keys((await csvtojson({ delimiter: "auto" }).fromString(list))[0]).length;
    results.push(`${name}: ${papaparse} (csvtojson ${other})`);
  }
  console.log("columns of " + results.join("; "));
})();
JS
observed=$(node lists.js)
recorded='columns of 1 row: 1 (csvtojson 2); 8 rows: 1 (csvtojson 2); 9 rows: 2 (csvtojson 2); 1 row, no line end: 2 (csvtojson 2); 1 row, 3 columns: 3 (csvtojson 3)'
echo "expected: 2, 2, 2, 2 and 3 columns, from both"
echo "observed: $observed"
[ "$observed" = "$recorded" ] || { echo "changed since this was recorded: $recorded" >&2; exit 1; }
