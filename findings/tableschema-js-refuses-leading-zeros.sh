#!/usr/bin/env bash
# Tools: tableschema 1.12.6 (npm) beside frictionless 5.21.0 (PyPI), the same Table Schema field. Observed 2026-11-27.
#
# Expected: a field of type integer takes "0042" and "+42". Table Schema gives integers the lexical form of XML Schema, which
#   allows a sign and leading zeros, and the Python tools read 42.
# Observed: the JavaScript package refuses both. It takes only what JavaScript would print for the number.
# What it means: one published schema accepts a file in Python and rejects it in the browser. Declare phones, journey numbers
#   and commune codes as strings with a pattern (docs/history.schema.json does), never as integers.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet frictionless==5.21.0
npm install --silent --no-audit --no-fund --prefix . tableschema@1.12.6

# shellcheck disable=SC2016 # the quotes hold JavaScript
observed="python: $(venv/bin/python - <<'PY'
from frictionless import Schema

field = Schema.from_descriptor({"fields": [{"name": "journey_id", "type": "integer"}]}).fields[0]
print(*(f"{cell} -> {field.read_cell(cell)[0]}" for cell in ("42", "0042", "+42")), sep=", ")
PY
); javascript: $(node -e '
const { Schema } = require("tableschema");
Schema.load({ fields: [{ name: "journey_id", type: "integer" }] }).then((schema) => {
  const read = (cell) => {
    try { return schema.castRow([cell])[0]; } catch { return "refused"; }
  };
  console.log(["42", "0042", "+42"].map((cell) => `${cell} -> ${read(cell)}`).join(", "));
});')"
recorded='python: 42 -> 42, 0042 -> 42, +42 -> 42; javascript: 42 -> 42, 0042 -> refused, +42 -> refused'
echo "expected: 42 for each of the three cells, in both languages"
echo "observed: $observed"
[ "$observed" = "$recorded" ] || { echo "changed since this was recorded: $recorded" >&2; exit 1; }
