#!/usr/bin/env bash
# Tool: moto 5.2.5 (S3 and SQS emulator, PyPI). Observed 2026-11-27.
#
# Expected: one event for a multipart upload, ObjectCreated:CompleteMultipartUpload, as S3 sends it. moto's maintainers say the
#   same (getmoto/moto, pull request 7435) and send one event to EventBridge.
# Observed: a queue that subscribes to s3:ObjectCreated:* receives two, ObjectCreated:Put and then
#   ObjectCreated:CompleteMultipartUpload, with the same key and ETag.
# What it means: against moto, each large file starts its import twice. That is a fair test of an import that may be repeated,
#   but not a count of what S3 would send.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet 'moto[s3,sqs]==5.2.5' boto3==1.44.8 flask==3.1.3 flask-cors==6.0.5

observed=$(venv/bin/python - <<'PY'
import json
import logging
import boto3
from botocore.config import Config
from moto.server import ThreadedMotoServer

logging.getLogger("werkzeug").setLevel(logging.ERROR)
moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
moto.start()
host, port = moto.get_host_and_port()
access = dict(
    endpoint_url=f"http://{host}:{port}", region_name="eu-west-3", aws_access_key_id="x", aws_secret_access_key="x"
)
s3 = boto3.client("s3", config=Config(s3={"addressing_style": "path"}), **access)
sqs = boto3.client("sqs", **access)
queue = sqs.create_queue(QueueName="imports")["QueueUrl"]
arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
s3.create_bucket(Bucket="history", CreateBucketConfiguration={"LocationConstraint": "eu-west-3"})
s3.put_bucket_notification_configuration(
    Bucket="history",
    NotificationConfiguration={"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]},
)

def events():
    names = []
    while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            names += [record["eventName"] for record in json.loads(message["Body"]).get("Records", [])]
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    return " ".join(sorted(names)) or "none"

events()
s3.put_object(Bucket="history", Key="small.csv", Body=b"journey_type\n")
small = events()
upload = dict(Bucket="history", Key="large.csv")
upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
part = s3.upload_part(PartNumber=1, Body=b"journey_type\n", **upload)
s3.complete_multipart_upload(MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}, **upload)
print(f"one put: {small}; one multipart upload: {events()}")
moto.stop()
PY
)
recorded='one put: ObjectCreated:Put; one multipart upload: ObjectCreated:CompleteMultipartUpload ObjectCreated:Put'
echo "expected: one put: ObjectCreated:Put; one multipart upload: ObjectCreated:CompleteMultipartUpload"
echo "observed: $observed"
[ "$observed" = "$recorded" ] || { echo "changed since this was recorded: $recorded" >&2; exit 1; }
