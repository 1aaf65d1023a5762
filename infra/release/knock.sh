#!/usr/bin/env bash
# Calls each HTTP function once a second, without a token, until it is ended: `bash infra/release/knock.sh API_URL`, where API_URL is the
# stack's output ApiUrl. While a deployment gives a new version a tenth of the calls there may be no calls: these make it start. What is
# public answers 200, the rest refuses the call; either shows that the function starts with its settings. A 5xx or no answer is printed
# and counted, and then the script fails when SIGTERM or SIGINT ends it. Import and audit have no route and are not called.
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

# knock FUNCTION METHOD PATH: once a second, or as soon as there is an answer, until there is the file `stop`.
knock() {
    local code last="" tick
    # The end comes by that file, so that a call under way still counts.
    trap '' INT TERM
    until [[ -e $scratch/stop ]]; do
        sleep 1 &
        tick=$!
        # A function has 10 seconds. Where nothing answers curl says 000.
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
# A signal ends the first; the second waits for the calls under way.
wait || true
wait || true

calls=$(wc -c <"$scratch/calls") failures=$(wc -c <"$scratch/failures")
echo "knock: $calls calls of $(wc -l <<<"$list") functions, $failures of them a 5xx or without an answer"
((failures == 0))
