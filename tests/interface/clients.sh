#!/usr/bin/env bash
# Runs the tour (docs/tour.md) with clients that are generated from the OpenAPI document: bash tests/interface/clients.sh [typescript]
# [python]
# TypeScript needs node and npm (the packages of clients/package-lock.json), Python openapi-python-client (pip), whose
# program OPENAPI_PYTHON_CLIENT names, and a python3 beside it with httpx.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
wanted=("$@")
((${#wanted[@]} > 0)) || wanted=(typescript python)
set --
source tests/interface/stack.sh
# The sample operators' keys, as the registry's team would hand them out.
export API=$api KEYS
KEYS=$(python3 -c 'import json, sys
operators = json.load(open(sys.argv[1]))["operators"]
print(json.dumps([{"access_key": one["access_key"], "secret_key": one["secret_key"]} for one in operators]))' "$data/local.json")
cp -r tests/interface/clients "$work/clients"
cp docs/openapi.json "$work/clients/"
cd "$work/clients"
for language in "${wanted[@]}"; do
    case $language in
    typescript)
        npm ci --silent --ignore-scripts
        npx --no-install openapi-typescript openapi.json --output schema.d.ts >/dev/null
        npx --no-install tsc
        node built/tour.js
        ;;
    python)
        generator=$(command -v "${OPENAPI_PYTHON_CLIENT:-openapi-python-client}")
        printf 'package_name_override: cee_client\nproject_name_override: cee-client\npost_hooks: []\n' >config.yaml
        "$generator" generate --path openapi.json --config config.yaml --output-path python --fail-on-warning
        PYTHONPATH=python "$(dirname "$generator")/python" tour.py
        ;;
    *) echo "no such language: $language" >&2; exit 1 ;;
    esac
done
