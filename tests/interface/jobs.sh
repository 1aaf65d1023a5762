#!/usr/bin/env bash
# Runs the nightly jobs of docs/operators.md, kills them while they run, and compares what they have kept with what happened:
# bash tests/interface/jobs.sh [typescript] [python]
# TypeScript needs node and npm (the packages of clients/package-lock.json), Python only python3.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
wanted=("$@")
((${#wanted[@]} > 0)) || wanted=(typescript python)
set --
root=$PWD
source tests/interface/stack.sh --now 2024-05-01T00:00:00Z
commands=()
for language in "${wanted[@]}"; do
    case $language in
    typescript)
        cp -r tests/interface/clients "$work/clients"
        cp tests/interface/jobs/nightly.ts "$work/clients/"
        (
            cd "$work/clients"
            npm ci --silent --ignore-scripts
            npx --no-install tsc --target es2022 --module nodenext --strict --noUncheckedIndexedAccess --skipLibCheck --types node \
                --outDir built nightly.ts
        )
        commands+=("node $work/clients/built/nightly.js")
        ;;
    python) commands+=("python3 $root/tests/interface/jobs/nightly.py") ;;
    *) echo "no such language: $language" >&2; exit 1 ;;
    esac
done
python3 -B tests/interface/jobs.py "$data/local.json" "$work" first "${commands[@]}"
# Twenty months later, the last changes but one have expired.
stop_stack
start_stack --now 2026-01-01T00:00:00Z
python3 -B tests/interface/jobs.py "$data/local.json" "$work" later "${commands[@]}"
echo "The nightly jobs have missed nothing."
