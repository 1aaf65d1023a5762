#!/usr/bin/env bash
# One step of a signing key's replacement on AWS; docs/runbook.md, "A signing key is replaced", describes all steps:
#   bash infra/recovery/rotate.sh STACK announce proof|application-token
#   bash infra/recovery/rotate.sh STACK sign proof|application-token
#   bash infra/recovery/rotate.sh STACK retire application-token KID
# The secret is in pipes and in this shell's memory: never in a file, an argument or the environment.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=infra/recovery/common.sh
source infra/recovery/common.sh
usage() {
    fail "usage: bash infra/recovery/rotate.sh STACK announce|sign proof|application-token" \
        "       bash infra/recovery/rotate.sh STACK retire application-token KID" \
        "such as: cee-prod announce proof"
}
[[ $# -ge 3 && -n $1 && $1 != -* ]] || usage
stack=$1 step=$2 signer=$3
case "$step $signer" in
"announce proof" | "sign proof")
    [[ $# == 3 ]] || usage
    # The token format allows only some kinds of key. With another kind the next deployment would not start.
    format=$(parameter TokenFormat) || exit
    change=(secret "$step" --signer proof --token-format "$format" --pipe)
    ;;
"announce application-token" | "sign application-token")
    [[ $# == 3 ]] || usage
    change=(secret "$step" --signer "$signer" --pipe)
    ;;
"retire application-token")
    [[ $# == 4 ]] || usage
    change=(secret retire --signer "$signer" --kid "$4" --pipe)
    ;;
"retire proof") fail "a proof is checked years after it was signed: no proof key is ever taken out" ;;
*) usage ;;
esac

secret=$(parameter SecretName) || exit
deployed=$(parameter SecretStage) || exit
environment=$(parameter Environment) || exit
status=$(aws cloudformation describe-stacks --stack-name "$stack" --output text --query 'Stacks[0].StackStatus')
[[ $status != *_IN_PROGRESS ]] || fail "the stack $stack is being deployed ($status): wait until it is, then run this again"

# A line for each version, with its labels. Finds the highest of our own labels, and the label of the newest version.
labels=$(aws secretsmanager describe-secret --secret-id "$secret" --output text --query 'values(VersionIdsToStages)')
current=""
highest=0
prepared=0
while read -r -a line; do
    most=0
    for label in "${line[@]}"; do
        if [[ $label =~ ^rotation-([1-9][0-9]*)$ ]] && ((BASH_REMATCH[1] > most)); then most=${BASH_REMATCH[1]}; fi
    done
    ((most <= highest)) || highest=$most
    if [[ " ${line[*]} " == *" AWSCURRENT "* ]]; then
        current=" ${line[*]} "
        prepared=$most
    fi
done <<<"$labels"
[[ -n $current ]] || fail "no version of the secret $secret has the label AWSCURRENT"

# Each step must be deployed before the next: a key that signs before it is published makes proofs that cannot be verified.
where="section $environment of samconfig.toml"
runs=0
[[ ! $deployed =~ ^rotation-([1-9][0-9]*)$ ]] || runs=${BASH_REMATCH[1]}
if ((prepared > runs)); then
    fail "a step is prepared and not deployed: the newest version of $secret is rotation-$prepared, the stack $stack runs $deployed." \
        "Deploy it first, with SecretStage=rotation-$prepared in the $where."
fi
# Starting from an older version than the running one would lose the later keys.
[[ $deployed == AWSCURRENT || $current == *" $deployed "* ]] ||
    fail "AWSCURRENT of $secret is older than $deployed, which the stack $stack runs: somebody has moved a label." \
        "Give AWSCURRENT back to the version that has $deployed: aws secretsmanager update-secret-version-stage."

label=rotation-$((highest + 1))
# Not in one pipe: if a command in its middle fails, the last command would write the truncated input.
new=$(aws secretsmanager get-secret-value --secret-id "$secret" --version-stage AWSCURRENT --query SecretString --output text |
    "${cee[@]}" "${change[@]}")
[[ -n $new ]] || fail "the secret is empty, so nothing was written"
# Both labels: with the first alone AWSCURRENT would not move, and the next step would start from there, without this step's key.
printf '%s' "$new" | aws secretsmanager put-secret-value --secret-id "$secret" --version-stages "$label" AWSCURRENT \
    --secret-string file:///dev/stdin >/dev/null
new=""

# A secret has at most 20 labels. The ten newest steps are enough to go back to; each version holds every key that verifies.
while read -r -a line; do
    for old in "${line[@]}"; do
        if [[ $old =~ ^rotation-([1-9][0-9]*)$ && $old != "$deployed" ]] && ((BASH_REMATCH[1] <= highest - 9)); then
            version=$(aws secretsmanager get-secret-value --secret-id "$secret" --version-stage "$old" --query VersionId --output text) &&
                aws secretsmanager update-secret-version-stage --secret-id "$secret" --version-stage "$old" \
                    --remove-from-version-id "$version" >/dev/null ||
                echo "the old label $old is still there: the next step tries to remove it again" >&2
        fi
    done
done <<<"$labels"

cat <<NEXT
The secret $secret has a new version, $label. Nothing uses it yet. Now, in a checkout of the release that runs:
  1. SecretStage=$label in parameter_overrides, $where
  2. bash infra/release/build.sh && sam deploy --config-env $environment
  3. land that line, so that the next deployment keeps it
NEXT
case $step in
announce)
    echo "Then wait until everybody has looked at the public keys again (a day is polite), and: bash infra/recovery/rotate.sh $stack sign $signer"
    ;;
sign) [[ $signer == proof ]] || echo "Then wait ten minutes, and: bash infra/recovery/rotate.sh $stack retire $signer OLD_KID" ;;
esac
