#!/usr/bin/env bash
# Reverts stop.sh: bash infra/recovery/resume.sh STACK [all|register|import]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=infra/recovery/common.sh
source infra/recovery/common.sh
read_which_functions "$@"

# As in the template: only imports have reserved concurrency, and none if ImportConcurrency is 0.
start() {
    local name number=0
    name=$(function_name "$1") || return
    if [[ $1 == ImportFunction ]]; then
        number=$(parameter ImportConcurrency) || return
    fi
    if [[ $number == 0 ]]; then
        aws lambda delete-function-concurrency --function-name "$name" >/dev/null || return
        echo "$1 takes calls again ($name)"
    else
        aws lambda put-function-concurrency --function-name "$name" --reserved-concurrent-executions "$number" >/dev/null || return
        echo "$1 takes files again, $number at one moment ($name)"
    fi
}

failed=0
import=0
for id in "${functions[@]}"; do
    if start "$id"; then
        [[ $id != ImportFunction ]] || import=1
    else
        echo "!!! $id IS STILL STOPPED" >&2
        failed=1
    fi
done
# Lambda keeps no event for a stopped function: the event goes to the dead-letter queue at once.
((import == 0)) || echo "Files that arrived meanwhile wait in the dead-letter queue. Now: bash infra/recovery/redrive.sh $stack"
((failed == 0)) || fail "not everything runs again: see above, and run this again"
