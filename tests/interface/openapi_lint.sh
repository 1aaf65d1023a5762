#!/usr/bin/env bash
# Checks docs/openapi.json with Spectral, Redocly and openapi-spec-validator. A warning fails: bash tests/interface/openapi_lint.sh
# Needs node and npm (the packages of lint/package-lock.json). OPENAPI_SPEC_VALIDATOR names the program (pip). lint/ has the rules that
# are switched off, each with its reason.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
document=$PWD/docs/openapi.json
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp tests/interface/lint/* "$work/"
cd "$work"
export REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true
"${OPENAPI_SPEC_VALIDATOR:-openapi-spec-validator}" "$document"
npm ci --silent --ignore-scripts
npx --no-install spectral lint --ruleset spectral.yaml --fail-severity hint "$document"
npx --no-install redocly lint --config redocly.yaml --max-problems 1000 "$document"
