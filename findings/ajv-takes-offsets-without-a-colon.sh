#!/usr/bin/env bash
# Tools: ajv 8.20.0 with ajv-formats 3.0.1 (npm) and fastjsonschema 2.22.3 (PyPI), beside @cfworker/json-schema 4.1.6 (npm), jsonschema 4.26.0 with
# rfc3339-validator 0.1.4 and jsonschema-rs 0.61.2 (PyPI). Observed 2026-11-29.
#
# Expected: "format": "date-time" refuses 2024-03-15T08:30:00+0100. JSON Schema means RFC 3339 by it, whose offsets have a colon, and the three
#   others refuse it.
# Observed: ajv-formats and fastjsonschema accept it; ajv-formats accepts +01, too. This is not ajv-formats' fast mode, but the full one.
# What it means: one published schema accepts a body in the browser and refuses it in Python. A program that was tested with ajv sends dates
#   that another reader of the document refuses (this registry reads +0100). Write offsets with a colon, or Z.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet fastjsonschema==2.22.3 jsonschema==4.26.0 rfc3339-validator==0.1.4 jsonschema-rs==0.61.2
npm install --silent --no-audit --no-fund --prefix . ajv@8.20.0 ajv-formats@3.0.1 @cfworker/json-schema@4.1.6

cat > dates.json <<'JSON'
["2024-03-15T08:30:00+01:00", "2024-03-15T08:30:00+0100", "2024-03-15T08:30:00+01", "2024-03-15T08:30:00"]
JSON
# shellcheck disable=SC2016 # the quotes hold JavaScript
by_node=$(node -e '
const Ajv = require("ajv/dist/2020");
const addFormats = require("ajv-formats");
const { Validator } = require("@cfworker/json-schema");
const schema = { type: "string", format: "date-time" };
const ajv = new Ajv();
addFormats(ajv, { mode: "full" });
const validators = {
  "ajv-formats": ajv.compile(schema),
  cfworker: (date) => new Validator(schema, "2020-12").validate(date).valid,
};
for (const [name, accepts] of Object.entries(validators)) {
  const dates = require("./dates.json").filter((date) => accepts(date)).map((date) => date.slice(19));
  process.stdout.write(`${name}: ${dates.join(" ")}; `);
}')
by_python=$(venv/bin/python - <<'PY'
import json
import fastjsonschema
import jsonschema
import jsonschema_rs

schema = {"type": "string", "format": "date-time"}
slow = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
validators = {
    "fastjsonschema": fastjsonschema.compile(schema),
    "jsonschema": slow.validate,
    "jsonschema-rs": jsonschema_rs.validator_for(schema, validate_formats=True).validate,
}

def accepts(validate, date):
    try:
        validate(date)
        return True
    except (fastjsonschema.JsonSchemaException, jsonschema.ValidationError, jsonschema_rs.ValidationError):
        return False

dates = json.load(open("dates.json"))
print("; ".join(f"{name}: {' '.join(date[19:] for date in dates if accepts(check, date))}" for name, check in validators.items()))
PY
)
observed="$by_node$by_python"
recorded='ajv-formats: +01:00 +0100 +01; cfworker: +01:00; fastjsonschema: +01:00 +0100; jsonschema: +01:00; jsonschema-rs: +01:00'
echo "expected: +01:00 alone, from all five"
echo "observed: $observed"
[ "$observed" = "$recorded" ] || { echo "changed since this was recorded: $recorded" >&2; exit 1; }
