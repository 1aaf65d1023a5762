#!/usr/bin/env bash
# Tool: moto 5.2.5 (S3 emulator, server mode, PyPI). Observed 2026-11-27.
#
# Expected: a PUT to a presigned URL stores the body as it is, whatever the Content-Type says. S3 keeps that header and does not
#   read the body by it.
# Observed: with "Content-Type: application/x-www-form-urlencoded" moto answers 200 and stores an object of 0 bytes. `curl
#   --data-binary @file` and Python's urllib send this header unless told otherwise.
# What it means: an upload that works against S3 arrives empty in a test against moto, and only its size says so. Send
#   "Content-Type: text/csv", or use `curl --upload-file`, which sends no such header.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet 'moto[s3]==5.2.5' boto3==1.44.8 flask==3.1.3 flask-cors==6.0.5 werkzeug==3.1.9

observed=$(venv/bin/python - <<'PY'
import logging
import urllib.request
import boto3
from botocore.config import Config
from moto.server import ThreadedMotoServer

logging.getLogger("werkzeug").setLevel(logging.ERROR)
moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
moto.start()
host, port = moto.get_host_and_port()
s3 = boto3.client(
    "s3",
    endpoint_url=f"http://{host}:{port}",
    region_name="eu-west-3",
    aws_access_key_id="x",
    aws_secret_access_key="x",
    config=Config(s3={"addressing_style": "path"}),
)
s3.create_bucket(Bucket="history", CreateBucketConfiguration={"LocationConstraint": "eu-west-3"})
body = b"journey_type,last_name_trunc\nshort,DUP\n"
url = s3.generate_presigned_url("put_object", Params={"Bucket": "history", "Key": "imports/1/history.csv"})

def put(content_type):
    request = urllib.request.Request(url, body, {"Content-Type": content_type}, method="PUT")
    status = urllib.request.urlopen(request).status
    stored = s3.head_object(Bucket="history", Key="imports/1/history.csv")["ContentLength"]
    return f"{content_type}: {status}, {stored} of {len(body)} bytes"

print(put("text/csv"), put("application/x-www-form-urlencoded"), sep="; ")
moto.stop()
PY
)
recorded='text/csv: 200, 39 of 39 bytes; application/x-www-form-urlencoded: 200, 0 of 39 bytes'
echo "expected: 200, 39 of 39 bytes for both"
echo "observed: $observed"
[ "$observed" = "$recorded" ] || { echo "changed since this was recorded: $recorded" >&2; exit 1; }
