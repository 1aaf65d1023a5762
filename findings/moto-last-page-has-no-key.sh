#!/usr/bin/env bash
# Tools: moto 5.2.5 (DynamoDB emulator, PyPI) beside dynalite 4.0.0 (npm). Observed 2026-11-27.
#
# Expected: a Query that stops at its Limit returns LastEvaluatedKey, also when no item follows. DynamoDB does not look ahead:
#   its documentation says that the key does not mean there is more. dynalite returns it.
# Observed: moto leaves the key out when the Limit is exactly the number of items left.
# What it means: code that pages with a cursor never meets the empty last page on moto, and meets it in production. Test
#   "the page is full and nothing follows" on an emulator that returns the key.
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

def page(url):
    client = boto3.client(
        "dynamodb", endpoint_url=url, region_name="eu-west-3", aws_access_key_id="x", aws_secret_access_key="x"
    )
    client.create_table(
        TableName="applications",
        KeySchema=[{"AttributeName": "operator", "KeyType": "HASH"}, {"AttributeName": "at", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("operator", "at")],
        BillingMode="PAY_PER_REQUEST",
    )
    client.get_waiter("table_exists").wait(TableName="applications", WaiterConfig={"Delay": 1})
    for at in ("2024-01", "2024-02"):
        client.put_item(TableName="applications", Item={"operator": {"S": "1"}, "at": {"S": at}})
    answer = client.query(
        TableName="applications",
        Limit=2,
        KeyConditionExpression="#o = :o",
        ExpressionAttributeNames={"#o": "operator"},
        ExpressionAttributeValues={":o": {"S": "1"}},
    )
    return f"{answer['Count']} items, key {answer.get('LastEvaluatedKey', {}).get('at', {}).get('S')}"

logging.getLogger("werkzeug").setLevel(logging.ERROR)
moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
moto.start()
host, port = moto.get_host_and_port()
with subprocess.Popen(["node", "serve.js"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as dynalite:
    other = int(dynalite.stdout.readline())
    print(f"moto: {page(f'http://{host}:{port}')}; dynalite: {page(f'http://127.0.0.1:{other}')}")
    dynalite.stdin.close()
moto.stop()
PY
)
recorded='moto: 2 items, key None; dynalite: 2 items, key 2024-02'
echo "expected: 2 items, key 2024-02 from both"
echo "observed: $observed"
[ "$observed" = "$recorded" ] || { echo "changed since this was recorded: $recorded" >&2; exit 1; }
