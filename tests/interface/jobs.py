"""Makes changes, runs nightly jobs, kills them, and compares what they keep with what happened. See jobs.sh."""

import json
import os
import pathlib
import random
import shlex
import subprocess
import sys
import time
import urllib.error
import urllib.request

description, work, phase, *commands = sys.argv[1:]
about = json.loads(pathlib.Path(description).read_text())
work = pathlib.Path(work)
api, operator = about["api_url"], about["operators"][0]
expected = work / "expected.json"

# More than one page, whatever the job asks for.
LONG = 520
KILLS = 8
HEADER = ("journey_id,operator_id,operator_journey_id,operator_class,start_datetime,end_datetime,distance,start_insee,end_insee,"
          "driver_phone_trunc,acquisition_status,fraud_status,anomaly_status\n")


def call(method, path, body=None):
    headers = {"content-type": "application/json", "authorization": f"Bearer {operator['token']}"}
    request = urllib.request.Request(api + path, body and json.dumps(body).encode(), headers, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read() or b"null")


def journeys(name, statuses):
    """Puts a journeys file, as the registry does."""
    trip = "C,2024-03-20T07:00:00Z,2024-03-20T07:30:00Z,9000,75056,91377"
    lines = [f"{number},{operator['id']},job:{number},{trip},+3363998{number:02},{status}\n" for number, status in statuses.items()]
    file = work / name
    file.write_text(HEADER + "".join(lines))
    keys = f"{about['aws_access_key_id']}:{about['aws_secret_access_key']}"
    signed = ["--user", keys, "--aws-sigv4", f"aws:amz:{about['region']}:s3", "-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD"]
    subprocess.run(["curl", "-sSf", *signed, "-T", file, f"{about['s3_url']}/{about['bucket']}/journeys/{name}"], check=True)


def wait_for(wanted):
    for _ in range(600):
        if wanted():
            return
        time.sleep(0.1)
    sys.exit("the registry did not get there")


def run(command, index, kill_after=None):
    keys = {"API": api, "ACCESS_KEY": operator["access_key"], "SECRET_KEY": operator["secret_key"]}
    file = work / f"applications-{index}.json"
    job = subprocess.Popen([*shlex.split(command), str(file)], env=os.environ | keys)
    if kill_after is not None:
        time.sleep(kill_after)
        job.kill()
        job.wait()
    elif job.wait() != 0:
        sys.exit(f"{command} failed")
    return json.loads(file.read_text())["statuses"] if file.exists() else {}


def compare(index, command, kept, wanted):
    if kept != wanted:
        differing = {name for name in kept.keys() | wanted.keys() if kept.get(name) != wanted.get(name)}
        sys.exit(f"{command}: {len(differing)} of {len(wanted)} differ")


if phase == "first":
    journeys("job-1.csv", {number: "processed,passed,passed" for number in range(1, 4)})
    uuids = {}

    def register_short():
        for number in set(range(1, 4)) - uuids.keys():
            body = {"journey_type": "short", "last_name_trunc": "JOB", "driving_license": f"JOBSHORT{number}",
                    "operator_journey_id": f"job:{number}"}
            try:
                uuids[number] = call("POST", "/policies/cee", body)["uuid"]
            except urllib.error.HTTPError as error:
                if error.code != 404:
                    raise
        return len(uuids) == 3

    wait_for(register_short)
    long = []
    for start in range(0, LONG, 100):
        rows = [{"journey_type": "long", "last_name_trunc": "JOB", "phone_trunc": f"+3360{number:05}",
                 "driving_license": f"JOBLONG{number:05}", "datetime": "2024-03-15T07:30:00Z"}
                for number in range(start, min(start + 100, LONG))]
        long += [answer["body"]["uuid"] for answer in call("POST", "/policies/cee/batch", rows)["answers"]]
    for uuid in long:
        call("DELETE", f"/policies/cee/{uuid}")
    journeys("job-2.csv", {1: "processed,failed,passed", 2: "canceled,,", 3: "processed,passed,passed"})
    wait_for(lambda: call("GET", f"/policies/cee/{uuids[2]}")["status"] == "canceled")
    wait_for(lambda: call("GET", f"/policies/cee/{uuids[1]}")["status"] == "fraud_error")
    wanted = {uuid: "deleted" for uuid in long} | {uuids[1]: "fraud_error", uuids[2]: "canceled"}
    generator = random.Random(5)
    for index, command in enumerate(commands):
        for _ in range(KILLS):
            run(command, index, generator.uniform(0.05, 0.6))
        compare(index, command, run(command, index), wanted)
        compare(index, command, run(command, index), wanted)
    # What happens now is read twenty months later.
    journeys("job-3.csv", {1: "processed,passed,passed"})
    wait_for(lambda: call("GET", f"/policies/cee/{uuids[1]}")["status"] == "ok")
    journeys("job-4.csv", {3: "canceled,,"})
    wait_for(lambda: call("GET", f"/policies/cee/{uuids[3]}")["status"] == "canceled")
    expected.write_text(json.dumps({"uuids": uuids, "wanted": wanted}))
else:
    told = json.loads(expected.read_text())
    uuids, wanted = told["uuids"], told["wanted"]
    for index, command in enumerate(commands):
        # Of the two changes that it has not read, the first has expired: it learns that status from the list.
        compare(index, command, run(command, index), wanted | {uuids["1"]: "ok", uuids["3"]: "canceled"})
