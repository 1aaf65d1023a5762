#!/usr/bin/env bash
# Restores the tables as they were at MOMENT, first next to the tables in use, then into them:
# bash infra/recovery/restore.sh STACK MOMENT [--compare|--yes]
#   (neither)  restores the seven tables that one transaction may touch into new tables, and prints the next step
#   --compare  also prints how each table differs from its content at that moment; changes nothing
#   --yes      compares all tables, and restores each of them if none looks wrong. First stop every writer (stop.sh STACK all)
# MOMENT is a second, in UTC: 2026-11-26T12:00:00Z. Run again with the same moment, the script continues with the restored tables.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=infra/recovery/common.sh
source infra/recovery/common.sh
usage() {
    fail "usage: bash infra/recovery/restore.sh STACK MOMENT [--compare|--yes], such as: cee-prod 2026-11-26T12:00:00Z --compare" \
        "MOMENT is a second of the last 35 days, in UTC, and at least five minutes ago."
}
[[ $# -ge 2 && $# -le 3 && -n $1 && $1 != -* ]] || usage
stack=$1 moment=$2 mode=${3:-}
[[ $moment =~ ^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$ ]] || usage
[[ $mode == "" || $mode == --compare || $mode == --yes ]] || usage
tables=(Claims Applications Archive Changes Idempotency Journeys Imports)

if [[ $mode == --yes ]]; then
    for id in "${all_functions[@]}"; do
        name=$(function_name "$id") || exit
        concurrency=$(reserved "$name") || exit
        [[ $concurrency == 0 ]] || fail "$id is not stopped: first bash infra/recovery/stop.sh $stack all, and wait until what had begun has ended"
    done
fi

# The moment is in the name: another second gets other tables, the same second finds its own. A table's name cannot contain a colon.
target_of() {
    local compact=${moment//-/}
    echo "$stack-$1-${compact//:/}"
}

# CREATING, ACTIVE, …; empty if the table does not exist.
status_of() {
    local said
    if said=$(aws dynamodb describe-table --table-name "$1" --query Table.TableStatus --output text 2>&1); then
        printf '%s\n' "$said"
    elif [[ $said != *ResourceNotFoundException* ]]; then
        fail "$said"
    fi
}

sources=()
for table in "${tables[@]}"; do
    source_table=$(output "${table}Table") || exit
    sources+=("$source_table")
done
for index in "${!tables[@]}"; do
    target=$(target_of "${tables[index]}")
    status=$(status_of "$target") || exit
    if [[ -n $status ]]; then
        echo "$target is there already"
        continue
    fi
    aws dynamodb restore-table-to-point-in-time --source-table-name "${sources[index]}" --target-table-name "$target" \
        --restore-date-time "$moment" >/dev/null
    echo "$target: being restored from ${sources[index]}"
done
for table in "${tables[@]}"; do
    target=$(target_of "$table")
    # `wait` gives up after eight minutes, and the restore of a large table takes an hour.
    until aws dynamodb wait table-exists --table-name "$target"; do
        status=$(status_of "$target") || exit
        [[ $status != ACTIVE ]] || break
        [[ $status == CREATING ]] || fail "$target cannot be restored: ${status:-it does not exist}"
        echo "$target: still being restored"
    done
done

echo "All seven hold what the tables held at $moment."
# All seven are compared before the first is changed: if one looks wrong, none is changed.
if [[ $mode == --yes ]]; then
    wrong=0
    for index in "${!tables[@]}"; do
        target=$(target_of "${tables[index]}")
        kind=$(tr '[:upper:]' '[:lower:]' <<<"${tables[index]}")
        setting=$(tr '[:lower:]' '[:upper:]' <<<"${tables[index]}")_TABLE
        compared=$(env "$setting=${sources[index]}" "${cee[@]}" restore --aws --table "$kind" --from "$target")
        printf '%s\n' "$compared"
        [[ $compared != *"look again"* ]] || wrong=1
    done
    ((wrong == 0)) || fail "nothing was written: see above what each table would lose. Another second? Or put each table back by hand," \
        "with --yes and --changing ITEMS, if that is what you want."
fi
for index in "${!tables[@]}"; do
    target=$(target_of "${tables[index]}")
    kind=$(tr '[:upper:]' '[:lower:]' <<<"${tables[index]}")
    setting=$(tr '[:lower:]' '[:upper:]' <<<"${tables[index]}")_TABLE
    words=(restore --aws --table "$kind" --from "$target")
    [[ $mode != --yes ]] || words+=(--yes)
    if [[ $mode == "" ]]; then
        echo "  $setting=${sources[index]} cargo run -q -- ${words[*]}"
    else
        # Sets only this table's variable: with a wrong pair of tables the command would find no name.
        env "$setting=${sources[index]}" "${cee[@]}" "${words[@]}"
    fi
done
case $mode in
"") echo "Nothing is changed. Each of these commands says how one table differs; all at once: bash infra/recovery/restore.sh $stack $moment --compare" ;;
--compare) echo "Nothing is changed. When all functions that write are stopped: bash infra/recovery/restore.sh $stack $moment --yes" ;;
--yes) echo "Now audit; then bash infra/recovery/resume.sh $stack all" ;;
esac
echo "When the registry works again, or before you try another moment, delete the restored tables: they hold personal data."
for table in "${tables[@]}"; do
    echo "  aws dynamodb delete-table --table-name $(target_of "$table")"
done
