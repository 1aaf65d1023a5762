#!/usr/bin/env bash
# Tests the functions as they are deployed: `sam build` compiles them, `sam local` runs them in containers against the DynamoDB and S3 of
# a local stack: bash tests/interface/sam_local.sh
# The tour (docs/tour.md) runs through sam's port, and the response of each command is compared. Then `sam local invoke` imports a file
# from the local stack's S3.
# Needs sam (SAM names the program), cargo-lambda, and a Docker engine. If no engine answers, the script runs nothing and exits with 77.
# DOCKERD=start  starts Debian's engine for this run (root; apt-get install docker.io).
# LAMBDA_IMAGE=pull  pulls Amazon's base image. Otherwise the script uses an existing image, or makes a stand-in (base_image.sh).
# BUILT=template.yaml  uses an earlier build, as that template names it, and builds nothing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
set --

# The processes to end, the last first.
endings=()
finish() {
    local code=$? index
    for ((index = ${#endings[@]} - 1; index >= 0; index--)); do
        eval "${endings[index]}" || true
    done
    return "$code"
}
trap finish EXIT

if ! timeout 20 docker info >/dev/null 2>&1; then
    if [[ ${DOCKERD:-} == start && $UID == 0 ]] && command -v dockerd >/dev/null; then
        engine_log=$(mktemp)
        # No traffic leaves the machine: a kernel without the tables for that is enough.
        dockerd --iptables=false --storage-driver overlay2 >"$engine_log" 2>&1 &
        engine=$!
        endings+=("kill $engine; wait $engine 2>/dev/null; rm -f '$engine_log'")
        for ((tries = 0; tries < 60; tries++)); do
            docker info >/dev/null 2>&1 && break
            kill -0 "$engine" 2>/dev/null || { cat "$engine_log" >&2; exit 1; }
            sleep 0.5
        done
    fi
    if ! timeout 20 docker info >/dev/null 2>&1; then
        echo '!!! SKIPPED: no Docker engine answers, so no function was run by sam local' >&2
        exit 77
    fi
fi

sam=${SAM:-sam}
export SAM_CLI_TELEMETRY=0
case $(uname -m) in
x86_64) architecture=x86_64 config=x86_64 template=.aws-sam/x86_64/template.yaml ;;
*) architecture=arm64 config=default template=.aws-sam/build/template.yaml ;;
esac
image=public.ecr.aws/lambda/provided:al2023-$architecture
if [[ ${LAMBDA_IMAGE:-} == pull ]]; then
    docker pull --quiet "$image"
elif ! docker image inspect "$image" >/dev/null 2>&1; then
    bash tests/interface/base_image.sh "$image"
fi

if [[ -n ${BUILT:-} ]]; then
    template=$BUILT
else
    "$sam" build --config-env "$config"
fi

# An address of this machine that containers reach, so that a URL signed by S3 works for both. It is the first address of Docker's network;
# if Docker runs in a virtual machine, containers use a name for this machine instead.
host=$(docker network inspect bridge --format '{{(index .IPAM.Config 0).Subnet}}' | python3 -c '
import ipaddress, socket, sys
host = str(ipaddress.ip_network(sys.stdin.read().strip())[1])
try:
    socket.socket().bind((host, 0))
    print(host)
except OSError:
    print("127.0.0.1")')
set -- --host "$host"
# shellcheck source=tests/interface/stack.sh
source tests/interface/stack.sh
set --
# stack.sh has replaced the trap.
trap finish EXIT
endings+=("kill $stack; wait $stack 2>/dev/null; rm -rf '$work'")
eval "$("$cee" env --sam --data-dir "$data")"

# $1: the timeout, in tenths of a second. The rest: the condition to wait for.
until_true() {
    local tries
    for ((tries = 0; tries < $1; tries++)); do
        "${@:2}" && return
        sleep 0.1
    done
    return 1
}

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
sam_api=http://127.0.0.1:$port/v3
# sam looks for its configuration beside a template that is named.
settings=(--config-file "$PWD/samconfig.toml" --config-env "$config" --template-file "$template" --env-vars "$data/sam.json" --skip-pull-image)
"$sam" local start-api "${settings[@]}" --port "$port" >"$work/sam.log" 2>&1 &
server=$!
# With SIGTERM sam removes its containers. (A process that a script starts in the background never receives SIGINT.)
endings+=("kill $server; wait $server 2>/dev/null")
answers() { kill -0 "$server" && curl -sf -o /dev/null --max-time 30 "$sam_api/health"; }
until_true 600 answers || { tail -n 50 "$work/sam.log" >&2; exit 1; }

if ! README_API=$sam_api README_DATA=$data CEE=$cee cargo test --quiet --test service readme::tour_prints_what_it_shows -- --exact --nocapture; then
    tail -n 50 "$work/sam.log" >&2
    exit 1
fi
# The calls in sam's log. A function in a container answered each of them.
python3 - "$work/sam.log" <<'PYTHON'
import collections, re, sys
log = re.sub(r"\x1b\[[0-9;]*m", "", open(sys.argv[1]).read())
calls = collections.Counter(re.findall(r'"((?:GET|POST|DELETE) /\S+) HTTP/1\.\d" (\d+)', log))
for (call, status), count in sorted(calls.items()):
    print(f"{count:4} {status} {call}")
assert sum(calls.values()) > 30, log
assert not any(status.startswith("5") for _, status in calls), log
PYTHON

# Not through the stack's S3 interface, whose event would start the stack's own import function.
file=$data/s3/cee-local/imports/1/by-sam.csv
mkdir -p "$(dirname "$file")"
printf 'journey_type;last_name_trunc;phone_trunc;datetime\r\nlong;SAM;+336399801;15/02/2021\r\nlong;LOC;+336399802;2021-02-15\r\nlong;Noël;+336399803;2021-02-15\r\n' >"$file"
"$sam" local generate-event s3 put --region eu-west-3 --bucket cee-local --key imports/1/by-sam.csv |
    sed "s/\"eTag\": \"[^\"]*/\"eTag\": \"$(md5sum <"$file" | cut -c1-32)/" >"$work/event.json"
"$sam" local invoke ImportFunction "${settings[@]}" --event "$work/event.json" 2>"$work/invoke.log" ||
    { tail -n 50 "$work/invoke.log" >&2; exit 1; }
grep -l '"imports/1/by-sam.csv"' "$data"/s3/cee-local/reports/1/*.json >"$work/report" ||
    { tail -n 50 "$work/invoke.log" >&2; exit 1; }
python3 - "$(cat "$work/report")" <<'PYTHON'
import json, sys
report = json.load(open(sys.argv[1]))
print(json.dumps(report))
found = {name: report[name] for name in ("state", "read", "imported", "already_known", "rejected")}
assert found == {"state": "completed", "read": 3, "imported": 2, "already_known": 0, "rejected": 1}, report
PYTHON
# The imported row blocks in a call through sam, under a path of the public registry's clients.
token=$("$cee" token --operator 2 --data-dir "$data")
answer=$(curl -s "${sam_api%/v3}/v3.2/policies/cee/simulate/" -H "authorization: Bearer $token" -H 'content-type: application/json' \
    -d '{"journey_type": "long", "last_name_trunc": "SAM", "phone_trunc": "+336399801"}')
echo "$answer"
[[ $answer == *'"reason":"history"'* ]]
echo "sam local: the tour and an import have passed"
