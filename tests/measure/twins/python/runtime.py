"""Asks Lambda's Runtime API for work and answers it, as Lambda's own runtime client does."""

import http.client
import json
import os


def run(handler):
    api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    while True:
        api.request("GET", "/2018-06-01/runtime/invocation/next")
        work = api.getresponse()
        event = json.loads(work.read())
        request_id = work.headers["lambda-runtime-aws-request-id"]
        answer = json.dumps(handler(event, request_id), separators=(",", ":"))
        api.request("POST", f"/2018-06-01/runtime/invocation/{request_id}/response", answer)
        api.getresponse().read()
