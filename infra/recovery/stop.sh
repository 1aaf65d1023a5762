#!/usr/bin/env bash
# The emergency stop: from this moment on the functions accept no invocation. bash infra/recovery/stop.sh STACK [all|register|import]
# A switch of the template (RegisterEnabled=false) needs a whole deployment, with its canary. This script takes seconds. resume.sh reverts it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=infra/recovery/common.sh
source infra/recovery/common.sh
read_which_functions "$@"

# If one function cannot be stopped, stop the others anyway.
failed=0
for id in "${functions[@]}"; do
    if name=$(function_name "$id") &&
        aws lambda put-function-concurrency --function-name "$name" --reserved-concurrent-executions 0 >/dev/null; then
        echo "$id is stopped ($name)"
    else
        echo "!!! $id IS NOT STOPPED" >&2
        failed=1
    fi
done
((failed == 0)) || fail "not everything is stopped: see above, and run this again"
cat <<NEXT
Work that has begun continues to its end: a call for 10 seconds at most, an audit for 3 minutes, an
import or an export for 15 minutes.
Files that arrive now wait in the dead-letter queue. Do not deploy; after a deployment, run this again.
To start the functions again: bash infra/recovery/resume.sh $stack $which
NEXT
