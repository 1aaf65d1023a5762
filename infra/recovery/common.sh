# shellcheck shell=bash
# The other scripts of this folder source this file in the root of the repository. They need version 1 or 2 of the AWS command line, with
# the team's credentials and region in its environment, and the tools of every shell: an emergency should need nothing else.
# shellcheck disable=SC2034,SC2154 # what one sets the other uses
umask 077
# Version 2 would stop in a pager and wait for a key.
export AWS_PAGER=

# The program `cee`. The variable CEE names a program that is already built, as in the tests.
cee=(cargo run -q --)
[[ -z ${CEE:-} ]] || cee=("$CEE")

fail() {
    printf '%s\n' "$@" >&2
    exit 1
}

# `aws` prints nothing or None for a missing value.
is_none() { [[ -z $1 || $1 == None ]]; }

# Call these as `name=$(parameter NAME) || exit`: `set -e` alone does not apply inside a substitution.
parameter() { of_stack "parameter $1" "Parameters[?ParameterKey=='$1'].ParameterValue"; }

output() { of_stack "output $1" "Outputs[?OutputKey=='$1'].OutputValue"; }

of_stack() {
    local value
    value=$(aws cloudformation describe-stacks --stack-name "$stack" --output text --query "Stacks[0].$2 | [0]") || exit
    ! is_none "$value" || fail "the stack $stack has no $1: is it this registry's, and deployed from this template?"
    printf '%s\n' "$value"
}

# A function's name on AWS, by its name in the template.
function_name() {
    aws cloudformation describe-stack-resource --stack-name "$stack" --logical-resource-id "$1" --output text \
        --query StackResourceDetail.PhysicalResourceId
}

# The reserved concurrency of a function, by its name on AWS; None if none is reserved.
reserved() {
    aws lambda get-function-concurrency --function-name "$1" --output text --query ReservedConcurrentExecutions
}

all_functions=(RegisterFunction ImportFunction ApplicationsFunction BatchesFunction UploadsFunction AccessFunction AuditFunction
    SimulateFunction PublicFunction ConsoleFunction ExportFunction)

# Reads STACK [all|register|import], the arguments of stop.sh and resume.sh.
read_which_functions() {
    local usage="usage: bash infra/recovery/${0##*/} STACK [all|register|import], such as: cee-prod register"
    [[ $# -ge 1 && $# -le 2 && -n $1 && $1 != -* ]] || fail "$usage"
    stack=$1
    which=${2:-all}
    case $which in
    all) functions=("${all_functions[@]}") ;;
    register) functions=(RegisterFunction) ;;
    import) functions=(ImportFunction) ;;
    *) fail "$usage" ;;
    esac
}
