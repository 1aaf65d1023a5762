#!/usr/bin/env bash
# Tools: ministack 1.5.33 (AWS emulator, PyPI) beside moto 5.2.5 (PyPI). Observed 2026-11-29.
#
# Expected: an item whose number key was put as 1 is the item of key 1.0. DynamoDB stores numbers without their spelling (1.0, 01 and 1 are
#   one number), and a primary key names one item. moto, which keeps the spelling that it was given, finds the item all the same.
# Observed: ministack finds nothing under 1.0. An update of key 1.0 makes a second item, and a query returns two items that both say key 1. It
#   puts 1.0 as 1, so that only get, update and delete meet the spelling as it was sent.
# What it means: "create unless it exists" succeeds twice for one key when two clients write numbers differently, for example Python's
#   Decimal("1.0") and JavaScript's 1. Code that fails here works on DynamoDB. Send whole numbers without a fraction, or use text keys.
set -euo pipefail
work=$(mktemp -d)
trap 'kill "${emulator:-}" 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"
for package in 'ministack==1.5.33 hypercorn==0.18.0' 'moto[dynamodb]==5.2.5 boto3==1.44.8 flask==3.1.3 flask-cors==6.0.5'; do
    venv=${package%%[=[]*}
    python3 -m venv "$venv"
    # shellcheck disable=SC2086
    "$venv/bin/pip" install --quiet $package
done
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
GATEWAY_PORT=$port PERSIST_STATE=0 ministack/bin/ministack >ministack.log 2>&1 &
emulator=$!
for ((tries = 0; tries < 600; tries++)); do
    curl -s -o /dev/null "http://127.0.0.1:$port/" && break
    sleep 0.1
done

observed=$(moto/bin/python - "http://127.0.0.1:$port" <<'PY'
import logging
import sys
import boto3
from moto.server import ThreadedMotoServer

def found(url):
    client = boto3.client(
        "dynamodb", endpoint_url=url, region_name="eu-west-3", aws_access_key_id="test", aws_secret_access_key="test"
    )
    client.create_table(
        TableName="changes",
        KeySchema=[{"AttributeName": "operator", "KeyType": "HASH"}, {"AttributeName": "number", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": "operator", "AttributeType": "S"}, {"AttributeName": "number", "AttributeType": "N"}
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    client.get_waiter("table_exists").wait(TableName="changes", WaiterConfig={"Delay": 1})

    def key(number):
        return {"operator": {"S": "1"}, "number": {"N": number}}

    client.put_item(TableName="changes", Item={**key("1"), "journey": {"S": "ok"}})
    got = "found" if "Item" in client.get_item(TableName="changes", Key=key("1.0")) else "nothing"
    client.update_item(
        TableName="changes",
        Key=key("1.0"),
        UpdateExpression="SET seen = :yes",
        ExpressionAttributeValues={":yes": {"BOOL": True}},
    )
    items = client.query(
        TableName="changes",
        KeyConditionExpression="#o = :o",
        ExpressionAttributeNames={"#o": "operator"},
        ExpressionAttributeValues={":o": {"S": "1"}},
    )["Items"]
    return f"get 1.0: {got}, after an update of 1.0: keys {' '.join(item['number']['N'] for item in items)}"

logging.getLogger("werkzeug").setLevel(logging.ERROR)
moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
moto.start()
host, port = moto.get_host_and_port()
print(f"moto: {found(f'http://{host}:{port}')}; ministack: {found(sys.argv[1])}")
moto.stop()
PY
)
recorded='moto: get 1.0: found, after an update of 1.0: keys 1; ministack: get 1.0: nothing, after an update of 1.0: keys 1 1'
echo "expected: get 1.0: found, after an update of 1.0: keys 1, from both"
echo "observed: $observed"
[ "$observed" = "$recorded" ] || { echo "changed since this was recorded: $recorded" >&2; exit 1; }
