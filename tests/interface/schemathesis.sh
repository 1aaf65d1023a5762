#!/usr/bin/env bash
# Sends thousands of calls, generated from the OpenAPI document, to a local stack: valid and invalid calls, single and in chains along the
# document's links: bash tests/interface/schemathesis.sh [options of `schemathesis run`]
# Fails on a 5xx, an undocumented status or content type, a response or a refusal that does not fit its schema, a body that fits and is
# refused or does not fit and is accepted, and a call that works without its token.
# Does not test what the gateway decides and no function can change: a method without a route is a 404, not a 405.
# One worker: CPython 3.11 has a bug when two threads compile at once ("AST constructor recursion depth mismatch").
# Needs Schemathesis (pip install schemathesis): SCHEMATHESIS names the program. CASES is the minimum number of calls.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
options=("$@")
set --
source tests/interface/stack.sh
token=$("$cee" token --operator 1 --minutes 600 --data-dir "$data")
log=$work/schemathesis.log
(cd "$work" && "${SCHEMATHESIS:-schemathesis}" --config-file "$OLDPWD/tests/interface/schemathesis.toml" run \
    "$OLDPWD/docs/openapi.json" --url "$api" --header "Authorization: Bearer $token" --exclude-checks unsupported_method \
    --workers 1 --no-color --continue-on-failure "${options[@]}") | tee "$log"
cases=$(sed -n 's/^ *\([0-9]*\) generated.*/\1/p' "$log")
echo "$cases cases"
((cases >= ${CASES:-1})) || { echo "fewer than $CASES" >&2; exit 1; }
