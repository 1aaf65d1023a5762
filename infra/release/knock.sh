#!/usr/bin/env bash
# Calls each HTTP function once a second, without a token, until it is stopped: `bash infra/release/knock.sh API_URL`, where API_URL is the
# stack's output ApiUrl. While a deployment gives a new version a tenth of the calls there may be no calls: these calls make it start.
# Public functions answer 200, the others refuse the call; either response shows that the function starts with its settings. The script
# prints and counts each 5xx and each missing response, and then fails when SIGTERM or SIGINT ends it. Import and audit have no route and
# are not called.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# The template's paths begin with /v3, and so does the output's.
api=${1%/}
api=${api%/v3}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
touch "$scratch/calls" "$scratch/failures"

# FUNCTION METHOD PATH, the first route of each function of the template.
routes() {
    awk '
        /^  [A-Za-z]+:$/ { name = $1; sub(":", "", name); found = 0 }
        /^ +Type: / { route = ($2 == "HttpApi") && !found; method = path = "" }
        route && $1 == "Method:" { method = $2 }
        route && $1 == "Path:" { path = $2 }
        route && method != "" && path != "" {
            gsub(/[{][a-z_]+[}]/, "00000000-0000-4000-8000-000000000000", path)
            print name, method, path
            route = 0; found = 1
        }
    ' template.yaml
}

# knock FUNCTION METHOD PATH: once a second, or as soon as there is a response, until the file `stop` exists.
knock() {
    local code last="" tick
    # That file ends the loop, so that a call in progress still counts.
    trap '' INT TERM
    until [[ -e $scratch/stop ]]; do
        sleep 1 &
        tick=$!
        # A function has 10 seconds. If there is no response, curl prints 000.
        code=$(curl --silent --output /dev/null --max-time 15 --write-out '%{http_code}' --request "$2" "$api$3" || true)
        printf . >>"$scratch/calls"
        if [[ ! $code =~ ^[1-4] ]]; then
            printf . >>"$scratch/failures"
            printf '%(%T)T knock: %s (%s %s): %s\n' -1 "$1" "$2" "$3" "${code/#000/no answer}"
        elif [[ $code != "$last" ]]; then
            printf '%(%T)T knock: %s (%s %s) answers %s\n' -1 "$1" "$2" "$3" "$code"
        fi
        last=$code
        wait "$tick"
    done
}

list=$(routes)
[[ -n $list ]] || { echo "knock: template.yaml has no route" >&2; exit 1; }
trap 'touch "$scratch/stop"' INT TERM
while read -r function method path; do
    knock "$function" "$method" "$path" &
done <<<"$list"
# A signal ends the first wait; the second wait is for the calls in progress.
wait || true
wait || true

calls=$(wc -c <"$scratch/calls") failures=$(wc -c <"$scratch/failures")
echo "knock: $calls calls of $(wc -l <<<"$list") functions, $failures of them a 5xx or without an answer"
((failures == 0))
