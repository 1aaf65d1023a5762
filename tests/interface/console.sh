#!/usr/bin/env bash
# Uses the console in a headless Chromium: with the mouse, with the keyboard alone, and without JavaScript; axe looks at every page, at 1280
# and 390 px: bash tests/interface/console.sh [folder for screenshots]
# Then each button gets two double clicks. Then a file of 6 MB is sent while other tabs watch: the connection is cut, a tab is closed, and the
# memory of the functions is read, each a process of its own. LARGE=1 does the last alone, with a file of 300 MB. The file is only checked;
# ACTION=import imports it, which takes long in a debug build.
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
# The functions' binaries lie beside the program, or where BINARIES says.
[[ -n ${CEE:-} ]] || cargo build --quiet --workspace --bins
source tests/interface/stack.sh
program=$(realpath "$cee")
# The stack is started again from another folder.
cee=$program
binaries=$(realpath "${BINARIES:-$(dirname "$program")}")
cp -r tests/interface/console "$work/console"
cd "$work/console"

# Sends a file of this many rows.
send_large() {
    local rows=$1
    stop_stack
    start_stack --binaries "$binaries"
    "$program" generate --rows "$rows" >"$work/large.csv"
    node upload.mjs "$root" "$data/local.json" "$work/large.csv" "$rows" "${ACTION:-check}" "$stack"
}

if [[ -n ${LIGHTHOUSE:-} ]]; then
    npm ci --silent --ignore-scripts
    node lighthouse.mjs "$root" "$program" "$data/local.json" ${folder:+"$folder"}
elif [[ -n ${LARGE:-} ]]; then
    npm ci --silent --ignore-scripts --omit=dev
    send_large 9000000
else
    npm ci --silent --ignore-scripts --omit=dev
    # Long enough to be watched.
    "$program" generate --rows 50000 >"$work/long.csv"
    node console.mjs "$root" "$program" "$data/local.json" "$work/long.csv" ${folder:+"$folder"}
    node twice.mjs "$root" "$data/local.json"
    send_large 180000
fi
