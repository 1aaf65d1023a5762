#!/usr/bin/env bash
# Tools: s3rver 3.7.1 (S3 emulator, npm) beside moto 5.2.5 (PyPI). Observed 2026-11-29.
#
# Expected: "Range: bytes=-4" returns the last four bytes, and "bytes=0-0" the first one. HTTP says so (RFC 9110), and S3 and moto do it.
# Observed: s3rver answers the first with the bytes 0 to 4, so that the "last four" are the first five, and the second with the whole
#   object. The status is 206 each time.
# What it means: a Parquet file and a zip are read from their end, and a Parquet file begins and ends with the same four letters, so the
#   mistake shows late. Code that reads an export that way fails on s3rver with a file that is whole. Test it on another emulator.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet 'moto[s3]==5.2.5' boto3==1.44.8 flask==3.1.3 flask-cors==6.0.5
npm install --silent --no-audit --no-fund --prefix . s3rver@3.7.1

cat > serve.js <<'JS'
const S3rver = require("s3rver");
const server = new S3rver({ port: 0, address: "127.0.0.1", directory: "objects", silent: true });
server.run().then(({ port }) => console.log(port));
process.stdin.resume().on("end", () => process.exit());
JS
observed=$(venv/bin/python - <<'PY'
import logging
import subprocess
import boto3
from botocore.config import Config
from moto.server import ThreadedMotoServer

def ranges(url):
    client = boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="S3RVER",
        aws_secret_access_key="S3RVER",
        config=Config(s3={"addressing_style": "path"}),
    )
    client.create_bucket(Bucket="exports")
    client.put_object(Bucket="exports", Key="applications.bin", Body=b"0123456789")

    def part(range):
        return client.get_object(Bucket="exports", Key="applications.bin", Range=range)["Body"].read().decode()

    return f"last four {part('bytes=-4')}, first {part('bytes=0-0')}, from eight {part('bytes=8-')}"

logging.getLogger("werkzeug").setLevel(logging.ERROR)
moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
moto.start()
host, port = moto.get_host_and_port()
with subprocess.Popen(["node", "serve.js"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as s3rver:
    other = int(s3rver.stdout.readline())
    print(f"moto: {ranges(f'http://{host}:{port}')}; s3rver: {ranges(f'http://127.0.0.1:{other}')}")
    s3rver.stdin.close()
moto.stop()
PY
)
recorded='moto: last four 6789, first 0, from eight 89; s3rver: last four 01234, first 0123456789, from eight 89'
echo "expected: last four 6789, first 0, from eight 89, from both"
echo "observed: $observed"
[ "$observed" = "$recorded" ] || { echo "changed since this was recorded: $recorded" >&2; exit 1; }
