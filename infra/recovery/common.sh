# shellcheck shell=bash
# Sourced in the root of the repository by the other scripts of this folder. They need the AWS command line, of version 1 or 2, with the
# team's credentials and region in its environment, and what every shell has: on a bad day nothing else has to be found first.
# shellcheck disable=SC2034,SC2154 # what one sets the other uses
umask 077
# Version 2 would stop in a pager and wait for somebody.
export AWS_PAGER=

# The program; CEE names one that is built already, as the tests do.
cee=(cargo run -q --)
[[ -z ${CEE:-} ]] || cee=("$CEE")

fail() {
    printf '%s\n' "$@" >&2
    exit 1
}

# What `aws` prints in the place of nothing.
is_none() { [[ -z $1 || $1 == None ]]; }

# These are called as `name=$(parameter NAME) || exit`: `set -e` alone does not see into a substitution.
parameter() { of_stack "parameter $1" "Parameters[?ParameterKey=='$1'].ParameterValue"; }

output() { of_stack "output $1" "Outputs[?OutputKey=='$1'].OutputValue"; }

of_stack() {
    local value
    value=$(aws cloudformation describe-stacks --stack-name "$stack" --output text --query "Stacks[0].$2 | [0]") || exit
    ! is_none "$value" || fail "the stack $stack has no $1: is it this registry's, and deployed from this template?"
    printf '%s\n' "$value"
}

# The name that a function has on AWS, by its name in the template.
function_name() {
    aws cloudformation describe-stack-resource --stack-name "$stack" --logical-resource-id "$1" --output text \
        --query StackResourceDetail.PhysicalResourceId
}

# How many invocations at one moment are reserved for a function, by its name on AWS; None where nothing is.
reserved() {
    aws lambda get-function-concurrency --function-name "$1" --output text --query ReservedConcurrentExecutions
}

all_functions=(RegisterFunction ImportFunction ApplicationsFunction BatchesFunction UploadsFunction AccessFunction AuditFunction
    SimulateFunction PublicFunction)

# Reads STACK [all|register|import], with which stop.sh and resume.sh are called.
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
