#!/usr/bin/env bash
# Tools: dynalite 4.0.0 (DynamoDB emulator, npm) beside moto 5.2.5 (PyPI). Observed 2026-11-27.
#
# Expected: UpdateItem with "REMOVE dates[0], dates[1]" on [a, b, c, d] leaves [c, d]. An update expression is evaluated against
#   the item as it was before, and DynamoDB's documentation removes two neighbours this way. moto leaves [c, d].
# Observed: dynalite removes the first element, then the second of what is left: [b, d].
# What it means: code that drops several elements of a list by position looks wrong on dynalite and is right in production, or
#   the other way round. Replace the list as a whole, or test on another emulator.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet 'moto[dynamodb]==5.2.5' boto3==1.44.8 flask==3.1.3 flask-cors==6.0.5
npm install --silent --no-audit --no-fund --prefix . dynalite@4.0.0

cat > serve.js <<'JS'
const server = require("dynalite")({ createTableMs: 0 });
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.resume().on("end", () => process.exit());
JS
observed=$(venv/bin/python - <<'PY'
import logging
import subprocess
import boto3
from moto.server import ThreadedMotoServer

def left(url):
    client = boto3.client(
        "dynamodb", endpoint_url=url, region_name="eu-west-3", aws_access_key_id="x", aws_secret_access_key="x"
    )
    client.create_table(
        TableName="claims",
        KeySchema=[{"AttributeName": "claim", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "claim", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    client.get_waiter("table_exists").wait(TableName="claims", WaiterConfig={"Delay": 1})
    client.put_item(TableName="claims", Item={"claim": {"S": "1"}, "dates": {"L": [{"S": date} for date in "abcd"]}})
    answer = client.update_item(
        TableName="claims",
        Key={"claim": {"S": "1"}},
        UpdateExpression="REMOVE dates[0], dates[1]",
        ReturnValues="ALL_NEW",
    )
    return " ".join(date["S"] for date in answer["Attributes"]["dates"]["L"])

logging.getLogger("werkzeug").setLevel(logging.ERROR)
moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
moto.start()
host, port = moto.get_host_and_port()
with subprocess.Popen(["node", "serve.js"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as dynalite:
    other = int(dynalite.stdout.readline())
    print(f"moto: {left(f'http://{host}:{port}')}; dynalite: {left(f'http://127.0.0.1:{other}')}")
    dynalite.stdin.close()
moto.stop()
PY
)
recorded='moto: c d; dynalite: b d'
echo "expected: c d from both"
echo "observed: $observed"
[ "$observed" = "$recorded" ] || { echo "changed since this was recorded: $recorded" >&2; exit 1; }
