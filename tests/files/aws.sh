#!/usr/bin/env bash
# Replaces the AWS command line in the tests of infra/recovery/*.sh (tests/service/recovery.rs). The account is in the folder FAKE_AWS.
# The script prints the text that each `--query` would give. It refuses every call, option and query that it does not know, and each known
# call that lacks an option. Its output is what the real command line printed for the responses that AWS documents.
#   calls          the calls, a line each           refused        the refused calls
#   status         of the stack                     parameters/ outputs/ resources/    of the stack, a file each
#   secret/ID/     value, and labels/LABEL          reserved/      FUNCTION: its reserved concurrency
#   queue/         messages, a file each; taken/    events/        the events that the function received
#   tables/        a table each, its status         down           operations that fail, a line each
#   empty          the number of receives that return nothing although there are messages
#   impatient      the number of waits that give up
set -euo pipefail
cd "$FAKE_AWS"
printf '%s\n' "$*" >>calls

refuse() {
    printf '%s\n' "$1: $call" | tee -a refused >&2
    exit 252
}
failing() {
    printf '\nAn error occurred (%s) when calling the %s operation: as the test wants it\n' "$1" "$operation" >&2
    exit 254
}

call="$*"
operation="${1:-} ${2:-}"
shift 2 || refuse "no operation"
if [[ $operation == "dynamodb wait" ]]; then
    operation="$operation ${1:-}"
    shift
fi
if [[ -e down ]] && grep -qxF "$operation" down; then failing ServiceUnavailable; fi

declare -A given=()
words=()
while (($# > 0)); do
    name=$1
    shift
    case $name in
    --version-stages | --attribute-names)
        values=()
        while (($# > 0)) && [[ $1 != --* ]]; do
            values+=("$1")
            shift
        done
        given[$name]="${values[*]}"
        ;;
    --*)
        (($# > 0)) || refuse "$name has no value"
        [[ -z ${given[$name]+x} ]] || refuse "$name stands twice"
        given[$name]=$1
        shift
        ;;
    *) words+=("$name") ;;
    esac
done

# The options of this operation; all are required.
takes() {
    local name
    for name in "$@"; do [[ -n ${given[$name]:-} ]] || refuse "$name is missing"; done
    for name in "${!given[@]}"; do [[ " $* " == *" $name "* ]] || refuse "$name is unknown"; done
    [[ -z ${given[--output]:-} || ${given[--output]} == text ]] || refuse "another output"
}
is() { [[ ${given[$1]} == "$2" ]] || refuse "$1 is another"; }
# Prints what a query found, or None, as `--output text` does.
found() { if [[ -e $1 ]]; then printf '%s\n' "$(<"$1")"; else echo None; fi; }
take_one() {
    local left=0
    [[ ! -e $1 ]] || left=$(<"$1")
    ((left > 0)) || return 1
    echo $((left - 1)) >"$1"
}
count() { find "$1" -maxdepth 1 -type f | wc -l | tr -d ' '; }
version_of() { [[ -e secret/labels/$1 ]] || failing ResourceNotFoundException; echo "$(<"secret/labels/$1")"; }
a_function() { grep -rqxF -- "${given[--function-name]}" resources || failing ResourceNotFoundException; }

case $operation in
"cloudformation describe-stacks")
    takes --stack-name --output --query
    is --stack-name cee-prod
    query=${given[--query]}
    if [[ $query =~ ^"Stacks[0].Parameters[?ParameterKey=='"([A-Za-z]+)"'].ParameterValue | [0]"$ ]]; then
        found "parameters/${BASH_REMATCH[1]}"
    elif [[ $query =~ ^"Stacks[0].Outputs[?OutputKey=='"([A-Za-z]+)"'].OutputValue | [0]"$ ]]; then
        found "outputs/${BASH_REMATCH[1]}"
    else
        is --query 'Stacks[0].StackStatus'
        found status
    fi
    ;;
"cloudformation describe-stack-resource")
    takes --stack-name --logical-resource-id --output --query
    is --stack-name cee-prod
    is --query StackResourceDetail.PhysicalResourceId
    [[ -e resources/${given[--logical-resource-id]} ]] || failing ValidationError
    found "resources/${given[--logical-resource-id]}"
    ;;
"secretsmanager describe-secret")
    takes --secret-id --output --query
    is --secret-id cee/prod
    is --query 'values(VersionIdsToStages)'
    sort -u secret/labels/* | while read -r version; do
        (cd secret/labels && grep -lx "$version" -- *) | paste -sd '\t' -
    done
    ;;
"secretsmanager get-secret-value")
    takes --secret-id --version-stage --query --output
    is --secret-id cee/prod
    version=$(version_of "${given[--version-stage]}")
    case ${given[--query]} in
    SecretString) found "secret/$version" ;;
    VersionId) echo "$version" ;;
    *) refuse "another query" ;;
    esac
    ;;
"secretsmanager put-secret-value")
    takes --secret-id --version-stages --secret-string
    is --secret-id cee/prod
    is --secret-string file:///dev/stdin
    # AWS accepts no more labels.
    (($(find secret/labels -type f | wc -l) < 20)) || failing LimitExceededException
    version=version-$(find secret -maxdepth 1 -type f | wc -l | tr -d ' ')
    cat >"secret/$version"
    [[ -s secret/$version ]] || refuse "an empty secret"
    for label in ${given[--version-stages]}; do
        if [[ $label == AWSCURRENT ]]; then mv secret/labels/AWSCURRENT secret/labels/AWSPREVIOUS; fi
        echo "$version" >"secret/labels/$label"
    done
    echo '{"what": "is printed without a query"}'
    ;;
"secretsmanager update-secret-version-stage")
    takes --secret-id --version-stage --remove-from-version-id
    is --secret-id cee/prod
    [[ $(version_of "${given[--version-stage]}") == "${given[--remove-from-version-id]}" ]] || failing InvalidParameterException
    rm "secret/labels/${given[--version-stage]}"
    echo '{"what": "is printed without a query"}'
    ;;
"sqs receive-message")
    takes --queue-url --max-number-of-messages --visibility-timeout --wait-time-seconds --attribute-names --output --query
    is --queue-url "$(<outputs/ImportFailuresUrl)"
    is --max-number-of-messages 1
    is --wait-time-seconds 20
    is --attribute-names SentTimestamp
    is --query 'Messages[0].[MessageId,ReceiptHandle,Attributes.SentTimestamp,Body]'
    letter=$(find queue -maxdepth 1 -type f | sort | head -n 1)
    if [[ -z $letter ]] || take_one empty; then
        # Messages whose visibility timeout ended return to the queue.
        find queue/taken -type f -exec mv {} queue/ \;
        echo None
    else
        # A message's file is named by its id and the time it was sent.
        name=$(basename "$letter")
        mv "$letter" queue/taken/
        printf '%s\t%s\t%s\t%s\n' "${name%@*}" "handle/+= of $name" "${name#*@}" "$(<"queue/taken/$name")"
    fi
    ;;
"sqs get-queue-attributes")
    takes --queue-url --attribute-names --output --query
    is --queue-url "$(<outputs/ImportFailuresUrl)"
    is --attribute-names "ApproximateNumberOfMessages ApproximateNumberOfMessagesNotVisible"
    is --query 'Attributes.[ApproximateNumberOfMessages,ApproximateNumberOfMessagesNotVisible]'
    printf '%s\t%s\n' "$(count queue)" "$(count queue/taken)"
    ;;
"sqs delete-message")
    takes --queue-url --receipt-handle
    is --queue-url "$(<outputs/ImportFailuresUrl)"
    rm "queue/taken/${given[--receipt-handle]#handle/+= of }"
    ;;
"lambda invoke")
    # The file for the response follows the options.
    takes --function-name --qualifier --invocation-type --payload --output --query
    a_function
    is --qualifier live
    is --invocation-type Event
    is --payload fileb:///dev/stdin
    is --query '[StatusCode,FunctionError]'
    [[ ${words[*]} == /dev/null ]] || refuse "the answer goes elsewhere"
    words=()
    [[ ! -e answer ]] || { found answer; exit; }
    cat >"events/$(printf '%03d' "$(count events)")"
    printf '202\tNone\n'
    ;;
"lambda put-function-concurrency")
    takes --function-name --reserved-concurrent-executions
    a_function
    if [[ -e broken && ${given[--function-name]} == "$(<broken)" ]]; then failing TooManyRequestsException; fi
    echo "${given[--reserved-concurrent-executions]}" >"reserved/${given[--function-name]}"
    echo '{"what": "is printed without a query"}'
    ;;
"lambda delete-function-concurrency")
    takes --function-name
    a_function
    rm -f "reserved/${given[--function-name]}"
    ;;
"lambda get-function-concurrency")
    takes --function-name --output --query
    a_function
    is --query ReservedConcurrentExecutions
    found "reserved/${given[--function-name]}"
    ;;
"dynamodb describe-table")
    takes --table-name --query --output
    is --query Table.TableStatus
    [[ -e tables/${given[--table-name]} ]] || failing ResourceNotFoundException
    found "tables/${given[--table-name]}"
    ;;
"dynamodb restore-table-to-point-in-time")
    takes --source-table-name --target-table-name --restore-date-time
    grep -rqxF -- "${given[--source-table-name]}" outputs || failing TableNotFoundException
    [[ ${given[--target-table-name]} =~ ^[a-zA-Z0-9_.-]{3,255}$ ]] || failing ValidationException
    [[ ! -e tables/${given[--target-table-name]} ]] || failing TableAlreadyExistsException
    echo CREATING >"tables/${given[--target-table-name]}"
    echo '{"what": "is printed without a query"}'
    ;;
"dynamodb wait table-exists")
    takes --table-name
    if take_one impatient; then
        echo 'Waiter TableExists failed: Max attempts exceeded' >&2
        exit 255
    fi
    [[ -e tables/${given[--table-name]} ]] || failing ResourceNotFoundException
    echo ACTIVE >"tables/${given[--table-name]}"
    ;;
*) refuse "an unknown operation" ;;
esac
((${#words[@]} == 0)) || refuse "words too many: ${words[*]}"
