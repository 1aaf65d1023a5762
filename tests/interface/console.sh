#!/usr/bin/env bash
# Uses the console in a headless Chromium: with the mouse, with the keyboard alone, and without JavaScript; axe looks at every page, at 1280
# and 390 px: bash tests/interface/console.sh [folder for screenshots]
# With LIGHTHOUSE=1 it measures every page with Lighthouse instead; that takes minutes, and the folder gets the reports.
# Needs chromium (Debian: apt-get install chromium), node and npm (the packages of console/package-lock.json). Without them the script runs
# nothing and exits with 77.
set -euo pipefail
if ! command -v chromium >/dev/null && ! command -v chromium-browser >/dev/null && ! command -v google-chrome >/dev/null; then
    echo '!!! SKIPPED: no chromium, so nobody used the console in a browser' >&2
    exit 77
fi
if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    echo '!!! SKIPPED: no node, or no npm, so nobody used the console in a browser' >&2
    exit 77
fi
folder=${1:+$(realpath -m "$1")}
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
set --
root=$PWD
source tests/interface/stack.sh
program=$(realpath "$cee")
cp -r tests/interface/console "$work/console"
cd "$work/console"
if [[ -n ${LIGHTHOUSE:-} ]]; then
    npm ci --silent --ignore-scripts
    node lighthouse.mjs "$root" "$program" "$data/local.json" ${folder:+"$folder"}
else
    npm ci --silent --ignore-scripts --omit=dev
    # Long enough to be watched.
    "$program" generate --rows 30000 >"$work/long.csv"
    node console.mjs "$root" "$program" "$data/local.json" "$work/long.csv" ${folder:+"$folder"}
fi
