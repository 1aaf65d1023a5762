#!/usr/bin/env bash
# Tests the reference page in a real browser: bash tests/interface/page.sh [folder for screenshots]
# Needs chromium (Debian: apt-get install chromium), node and npm (for axe: the packages of console/package-lock.json), curl and python3.
set -euo pipefail
screenshots=${1:-}
[[ -z $screenshots ]] || screenshots=$(realpath "$screenshots")
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
set --
source tests/interface/stack.sh
cp tests/interface/console/package*.json "$work/"
npm --prefix "$work" ci --silent --ignore-scripts --omit=dev
token=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["operators"][0]["token"])' "$data/local.json")
API=$api TOKEN=$token python3 tests/interface/page.py "$work/node_modules/axe-core/axe.min.js" ${screenshots:+"$screenshots"}
