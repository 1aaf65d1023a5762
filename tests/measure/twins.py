#!/usr/bin/env python3
"""Measures the function register beside its twins in JavaScript and Python (tests/measure/twins).

    sam build --config-env x86_64
    python3 tests/measure/twins.py --register target/lambda/cee-register/bootstrap --cee target/debug/cee

--register is the function's program; only a release build says anything. --cee is the local stack, which answers their requests to DynamoDB.
The script installs the twins' pinned packages into a temporary folder, and starts each program as Lambda does: as a process of its own that
asks a Runtime API for work, which is this script. Programs take turns, a round of calls each, so that other load on the machine affects all
of them alike. It prints for each program

- the processor time of a warm call: of all threads of the process, the median of the rounds;
- the start: time, and processor time, until the process first asks for work. What Lambda does before is not included;
- the peak memory of the process after its calls, in which shared pages of the interpreter count too;
- the size of its zip, all packages included. On Lambda, boto3 and the JavaScript SDK are also part of the runtime, in another version.

Before, every program registers a driver, and the others must refuse the same driver with the same response; the proofs must verify. After,
`cee audit` must find nothing in the tables. It exits with 1 if the Rust program is above its limits.

Needs Python 3.11, and Node 20 or newer with npm. Without them, or with --only, it leaves a twin out and says so.
"""

import argparse
import base64
import http.server
import io
import json
import os
import platform
import queue
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TWINS = ROOT / "tests" / "measure" / "twins"
# Of the better twin.
LIMITS = {"a warm call": 1 / 4, "start": 1 / 40, "memory": 1 / 5}
# As in the template, and the time that Lambda allows for a start.
MEMORY_MB = 512
LONGEST = 10
ROUTE = "/v3/policies/cee"


def skipped(what, why):
    print(f"!!! SKIPPED: {what} ({why})", flush=True)


class RuntimeApi(http.server.ThreadingHTTPServer):
    """Lambda's Runtime API for one process."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Invocation)
        self.work, self.answers, self.asked, self.error = queue.Queue(), queue.Queue(), threading.Event(), None
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def invoke(self, event):
        self.work.put(event)
        try:
            return json.loads(self.answers.get(timeout=LONGEST))
        except queue.Empty:
            sys.exit(f"a call is not answered within {LONGEST} seconds: {self.error}")


class Invocation(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Without it the response waits for an acknowledgement.
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server.asked.set()
        event = json.dumps(self.server.work.get(), separators=(",", ":")).encode()
        headers = {
            "content-type": "application/json",
            "lambda-runtime-aws-request-id": str(uuid.uuid4()),
            "lambda-runtime-deadline-ms": str(int(1000 * (time.time() + LONGEST))),
            "lambda-runtime-invoked-function-arn": "arn:aws:lambda:eu-west-3:000000000000:function:cee-register",
            "lambda-runtime-trace-id": "Root=1-67891233-abcdef012345678912345678;Parent=53995c3f42cd8ad8;Sampled=0",
        }
        self.respond(200, event, headers)

    def do_POST(self):
        body = self.body()
        if self.path.endswith("/response"):
            self.server.answers.put(body)
        else:
            self.server.error = body.decode(errors="replace")
        self.respond(202, b"{}", {})

    def body(self):
        if "chunked" not in self.headers.get("transfer-encoding", ""):
            return self.rfile.read(int(self.headers.get("content-length", 0)))
        parts = []
        while length := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(length))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(parts)

    def respond(self, status, body, headers):
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Program:
    """One of the programs that are compared: how to start it, and what Lambda would download."""

    def __init__(self, name, command, zipped):
        self.name, self.command, self.zipped = name, command, zipped


class Process:
    """A running program."""

    def __init__(self, program, environment):
        self.api = RuntimeApi()
        host, port = self.api.server_address
        self.output = tempfile.TemporaryFile()
        began = time.perf_counter()
        self.child = subprocess.Popen(
            program.command,
            env=environment | {"AWS_LAMBDA_RUNTIME_API": f"{host}:{port}"},
            stdin=subprocess.DEVNULL,
            stdout=self.output,
            stderr=self.output,
        )
        if not self.api.asked.wait(LONGEST):
            self.output.seek(0)
            sys.exit(f"{program.name} did not ask for work:\n{self.output.read().decode(errors='replace')}{self.api.error or ''}")
        self.start = time.perf_counter() - began
        self.start_processor = self.processor()

    def processor(self):
        """Seconds of processor time of all threads, those that have ended included."""
        # The clock of another process, as clock_getcpuclockid(3) makes its number.
        return time.clock_gettime((~self.child.pid << 3) | 2)

    def peak(self):
        """Bytes."""
        status = Path(f"/proc/{self.child.pid}/status").read_text()
        return 1024 * int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])

    def stop(self):
        self.child.kill()
        self.child.wait()
        self.api.shutdown()
        self.api.server_close()
        self.output.close()


class Stack:
    """The local stack, in which another copy of the function answers HTTP; only its DynamoDB is used here."""

    def __init__(self, cee, scratch):
        self.cee, self.data = cee, scratch / "data"
        self.log = (scratch / "stack.log").open("w+b")
        command = [cee, "serve", "--port=0", "--dynamodb-port=0", "--s3-port=0", "--data-dir", self.data]
        self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log, text=True)
        if not any(line.strip() == "ready" for line in self.child.stdout):
            self.log.seek(0)
            sys.exit(f"the local stack does not start:\n{self.log.read().decode(errors='replace')}")
        threading.Thread(target=lambda: [None for _ in self.child.stdout], daemon=True).start()
        self.about = json.loads((self.data / "local.json").read_text())
        self.operator = self.about["operators"][0]

    def environment(self):
        """What Lambda gives to the function."""
        self.run("env", "--sam")
        settings = json.loads((self.data / "sam.json").read_text())["Parameters"]
        return settings | {
            "AWS_ENDPOINT_URL_DYNAMODB": self.about["dynamodb_url"],
            "AWS_ENDPOINT_URL_S3": self.about["s3_url"],
            "AWS_REGION": self.about["region"],
            "AWS_DEFAULT_REGION": self.about["region"],
            "AWS_ACCESS_KEY_ID": self.about["aws_access_key_id"],
            "AWS_SECRET_ACCESS_KEY": self.about["aws_secret_access_key"],
            "AWS_LAMBDA_FUNCTION_NAME": "cee-register",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(MEMORY_MB),
            "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/cee-register",
            "AWS_LAMBDA_LOG_STREAM_NAME": "local",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "OPERATOR_CALLS_PER_SECOND": "0",
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
        }

    def run(self, *command):
        done = subprocess.run([self.cee, *command, "--data-dir", self.data], capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"cee {' '.join(command)}: {done.stdout}{done.stderr}")
        return done.stdout.strip()

    def stop(self):
        self.child.send_signal(signal.SIGTERM)
        self.child.wait(30)
        self.log.close()


def event(token, body):
    """As API Gateway sends it."""
    headers = {
        "accept": "*/*",
        "authorization": f"Bearer {token}",
        "content-type": "application/json",
        "host": "api.cee.example",
        "user-agent": "operator/1.0",
        "x-amzn-trace-id": "Root=1-67891233-abcdef012345678912345678",
        "x-forwarded-for": "203.0.113.7",
        "x-forwarded-port": "443",
        "x-forwarded-proto": "https",
    }
    route = "POST /{version}/policies/cee"
    call = {"method": "POST", "path": ROUTE, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7", "userAgent": "operator/1.0"}
    return {
        "version": "2.0",
        "routeKey": route,
        "rawPath": ROUTE,
        "rawQueryString": "",
        "headers": headers | {"content-length": str(len(body))},
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "local",
            "domainName": "api.cee.example",
            "domainPrefix": "api",
            "http": call,
            "requestId": str(uuid.uuid4()),
            "routeKey": route,
            "stage": "$default",
            "time": "28/Nov/2026:08:00:00 +0000",
            "timeEpoch": int(1000 * time.time()),
        },
        "pathParameters": {"version": "v3"},
        "body": body,
        "isBase64Encoded": False,
    }


class Calls:
    """Registrations of drivers that nobody has registered before."""

    def __init__(self, token):
        self.token, self.drivers = token, 0

    def next(self):
        self.drivers += 1
        driver = {"journey_type": "long", "last_name_trunc": "TWN", "phone_trunc": f"+336{self.drivers:06d}"}
        application = driver | {"driving_license": f"TWIN{self.drivers:08d}", "datetime": "2024-03-15T08:30:00Z"}
        return event(self.token, json.dumps(application))


def call(process, work, expected):
    answer = process.api.invoke(work)
    if answer["statusCode"] != expected:
        sys.exit(f"{answer['statusCode']} instead of {expected}: {answer.get('body')}")
    body = answer.get("body") or ""
    return json.loads(base64.b64decode(body) if answer.get("isBase64Encoded") else body)


def compare(processes, calls):
    """Each program registers a driver, and every program refuses it with the same response. Returns the proofs."""
    proofs = []
    for name, process in processes.items():
        work = calls.next()
        granted = call(process, work, 201)
        proofs.append(granted["token"])
        expected = {"datetime": granted["datetime"], "reason": "duplicate", "uuid": granted["uuid"], "token": granted["token"]}
        for other, refusing in processes.items():
            refused = call(refusing, work, 409)
            if {member: refused.get(member) for member in expected} != expected:
                sys.exit(f"{other} refuses what {name} granted with {refused}, not with {expected}")
    return proofs


def verify(proofs, jwks, python, packages):
    """With the library of the Python twin, which no other program uses here."""
    code = """
import json, jwt, sys
proofs, jwks = json.load(sys.stdin)
keys = {key.key_id: key for key in jwt.PyJWKSet.from_dict(jwks).keys}
for proof in proofs:
    header = jwt.get_unverified_header(proof)
    assert header["typ"] == "cee-proof+jwt", header
    jwt.decode(proof, keys[header["kid"]], algorithms=["ES256"])
"""
    text = json.dumps([proofs, json.loads(jwks)])
    done = subprocess.run([python, "-c", code], input=text, env={"PYTHONPATH": packages}, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"a proof does not verify: {done.stderr}")


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: {done.stdout}{done.stderr}")
    return done.stdout.strip()


def zipped(files):
    """The size of a zip of these files: pairs of name and path."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in files:
            archive.write(path, name)
    return len(packed.getvalue())


def node_twin(scratch):
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return skipped("the JavaScript twin", "no node, or no npm")
    version = run(node, "--version")
    if int(version[1:].split(".")[0]) < 20:
        return skipped("the JavaScript twin", f"node {version} is older than 20")
    folder = scratch / "node"
    shutil.copytree(TWINS / "node", folder)
    # No script of a package runs: esbuild's would only check its program.
    run(npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=folder)
    bundle = folder / "out" / "index.js"
    options = ["--bundle", "--minify", "--platform=node", "--target=node20", "--format=cjs", f"--outfile={bundle}"]
    run(node, folder / "node_modules" / "esbuild" / "bin" / "esbuild", "register.mjs", *options, cwd=folder)
    # It would make a module of the bundle.
    (folder / "package.json").unlink()
    versions = [f"{name} {package(folder, name)}" for name in ("@aws-sdk/client-dynamodb", "jose", "esbuild")]
    print(f"JavaScript: node {version}, {', '.join(versions)}", flush=True)
    # Node takes its limits from the machine. Lambda's runtime gives it nine tenths of the function's memory.
    command = [node, f"--max-old-space-size={MEMORY_MB * 9 // 10}", bundle]
    return Program("JavaScript", command, zipped([("index.js", bundle)]))


def package(folder, name):
    return json.loads((folder / "node_modules" / name / "package.json").read_text())["version"]


def python_twin(scratch):
    folder = scratch / "python"
    folder.mkdir()
    requirements = TWINS / "python" / "requirements.txt"
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:", "--require-hashes"]
    run(sys.executable, "-m", "pip", "install", *options, "--target", folder, "-r", requirements)
    for name in ("register.py", "runtime.py"):
        shutil.copy(TWINS / "python" / name, folder)
    pinned = re.findall(r"^(boto3|pyjwt|cryptography)==(\S+)", requirements.read_text(), re.M)
    print(f"Python: {platform.python_version()}, {', '.join(map(' '.join, pinned))}", flush=True)
    files = sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    size = zipped([(path.relative_to(folder), path) for path in files])
    return Program("Python", [sys.executable, folder / "register.py"], size)


def measure(programs, environment, calls, given, verified):
    starts = {program.name: [] for program in programs}
    # The first start reads the files from the disk, and does not count.
    for number in range(given.starts + 1):
        for program in programs:
            process = Process(program, environment)
            if number > 0:
                starts[program.name].append((process.start, process.start_processor))
            process.stop()
    processes = {program.name: Process(program, environment) for program in programs}
    try:
        verified(compare(processes, calls))
        for process in processes.values():
            for _ in range(given.warm):
                call(process, calls.next(), 201)
        used = {name: [] for name in processes}
        for _ in range(given.rounds):
            for name, process in processes.items():
                before = process.processor()
                for _ in range(given.calls):
                    call(process, calls.next(), 201)
                used[name].append((process.processor() - before) / given.calls)
        return {
            program.name: {
                "a warm call": 1e3 * statistics.median(used[program.name]),
                "start": 1e3 * statistics.median(start for start, _ in starts[program.name]),
                "start, processor": 1e3 * statistics.median(processor for _, processor in starts[program.name]),
                "memory": processes[program.name].peak() / 2**20,
                "zip": program.zipped / 1e6,
            }
            for program in programs
        }
    finally:
        for process in processes.values():
            process.stop()


def report(found):
    columns = {"a warm call": "ms", "start": "ms", "start, processor": "ms", "memory": "MiB", "zip": "MB"}
    print(f"\n{'':24}" + "".join(f"{f'{name} ({unit})':>24}" for name, unit in columns.items()))
    for name, figures in found.items():
        print(f"{name:24}" + "".join(f"{figures[column]:24.2f}" for column in columns))
    twins = [figures for name, figures in found.items() if name != "Rust"]
    if not twins:
        return
    above = []
    print(f"{'Rust / the better twin':24}", end="")
    for column in columns:
        share = found["Rust"][column] / min(figures[column] for figures in twins)
        print(f"{f'1/{1 / share:.1f}':>24}", end="")
        if share > LIMITS.get(column, share):
            above.append(f"{column} (1/{1 / LIMITS[column]:g} is allowed)")
    print()
    if above:
        sys.exit(f"above the limits: {', '.join(above)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--register", type=Path, required=True, help="the program of the function register, as it is deployed")
    parser.add_argument("--cee", type=Path, default=ROOT / "target" / "debug" / "cee", help="the local stack")
    parser.add_argument("--only", choices=["node", "python"], help="one twin alone")
    parser.add_argument("--starts", type=int, default=20, help="of each program")
    parser.add_argument("--warm", type=int, default=1000, help="calls of each program before those that count")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--calls", type=int, default=500, help="of each program in a round")
    given = parser.parse_args()
    register, cee = given.register.resolve(), given.cee.resolve()
    for path in (register, cee):
        if not path.is_file():
            sys.exit(f"there is no {path}")
    with tempfile.TemporaryDirectory(prefix="cee-twins-") as scratch:
        scratch = Path(scratch)
        programs = [Program("Rust", [register], zipped([("bootstrap", register)]))]
        if given.only != "python" and (twin := node_twin(scratch)):
            programs.append(twin)
        # Its packages also verify the proofs.
        python = python_twin(scratch)
        if given.only != "node":
            programs.append(python)
        stack = Stack(cee, scratch)
        try:
            environment = stack.environment()
            calls = Calls(stack.operator["token"])
            verified = lambda proofs: verify(proofs, environment["PROOF_JWKS"], sys.executable, scratch / "python")
            machine = f"{platform.machine()}, {os.cpu_count()} cores"
            print(f"{machine}: {given.rounds} rounds of {given.calls} calls, {given.starts} starts each", flush=True)
            found = measure(programs, environment, calls, given, verified)
            print(f"audit of {calls.drivers} registrations: {stack.run('audit', '--parts-per-second=1000').splitlines()[-1]}")
        finally:
            stack.stop()
    report(found)


if __name__ == "__main__":
    main()
