#!/usr/bin/env bash
# Sends the events in the dead-letter queue to the import function again: bash infra/recovery/redrive.sh STACK
# Fix the cause of the failure first. The script may be interrupted and run again at any time, without harm (docs/runbook.md).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=infra/recovery/common.sh
source infra/recovery/common.sh
[[ $# == 1 && -n $1 && $1 != -* ]] || fail "usage: bash infra/recovery/redrive.sh STACK, such as: cee-prod"
stack=$1
queue=$(output ImportFailuresUrl) || exit
function=$(function_name ImportFunction) || exit
concurrency=$(reserved "$function") || exit
# Each event would return to the queue before the next one leaves it.
[[ $concurrency != 0 ]] || fail "the import function is stopped: first bash infra/recovery/resume.sh $stack import"
begun=$(date +%s)000

# The event in a dead letter, byte for byte: the value of "requestPayload" of the outermost object. Fails if there is none.
event_of() {
    awk '
        { text = text $0 "\n" }
        END {
            while (match(text, /"([^"\\]|\\.)*"|[][{},:]/)) {
                token = substr(text, RSTART, RLENGTH)
                if (taking) event = event substr(text, 1, RSTART - 1)
                text = substr(text, RSTART + RLENGTH)
                if (token == "}" || token == "]") depth--
                if (taking && (depth == 0 || (depth == 1 && token == ","))) { taking = 0; found = 1 }
                if (taking) event = event token
                else if (depth == 1 && token == ":") taking = name == "\"requestPayload\"" && !found
                if (token == "{" || token == "[") depth++
                if (depth == 1 && token ~ /^"/) name = token
            }
            sub(/[ \n]+$/, "", event)
            sub(/^[ \n]+/, "", event)
            if (!found || depth != 0 || event !~ /^\{.*\}$/) exit 1
            printf "%s", event
        }'
}

handed=0
report() { echo "$handed events were handed to $function:live"; }
trap report EXIT
while true; do
    # Long polling asks every server of the queue: without it a response may be empty although there are messages.
    message=$(aws sqs receive-message --queue-url "$queue" --max-number-of-messages 1 --visibility-timeout 60 --wait-time-seconds 20 \
        --attribute-names SentTimestamp --output text \
        --query 'Messages[0].[MessageId,ReceiptHandle,Attributes.SentTimestamp,Body]')
    if is_none "$message"; then
        left=$(aws sqs get-queue-attributes --queue-url "$queue" --output text \
            --attribute-names ApproximateNumberOfMessages ApproximateNumberOfMessagesNotVisible \
            --query 'Attributes.[ApproximateNumberOfMessages,ApproximateNumberOfMessagesNotVisible]')
        [[ $left != $'0\t0' ]] || break
        echo "no message at the moment, but the queue counts some (waiting, received): ${left/$'\t'/, }"
        continue
    fi
    id=${message%%$'\t'*} message=${message#*$'\t'}
    handle=${message%%$'\t'*} message=${message#*$'\t'}
    sent=${message%%$'\t'*} body=${message#*$'\t'}
    ((sent <= begun)) || fail "message $id is younger than this run: imports still fail. It is kept. Fix the cause, then run this again."
    event=$(printf '%s' "$body" | event_of) ||
        fail "message $id holds no event of Lambda. It is kept. Look at it by hand, then run this again."
    # To the alias, which has the number of retries, the maximum age and the destination. If an event goes to the function itself and fails,
    # it is lost. Through a pipe: the event names an operator's file.
    answer=$(printf '%s' "$event" | aws lambda invoke --function-name "$function" --qualifier live --invocation-type Event \
        --payload fileb:///dev/stdin --output text --query '[StatusCode,FunctionError]' /dev/null) || answer="an error"
    [[ $answer == $'202\tNone' ]] || fail "Lambda did not accept the event of message $id ($answer). It is kept; run this again."
    handed=$((handed + 1))
    aws sqs delete-message --queue-url "$queue" --receipt-handle "$handle"
done
echo "the queue is empty"
