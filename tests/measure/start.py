#!/usr/bin/env python3
"""Measures how long a compiled function takes from its start to its first request for work, compared with a function that does nothing.

    (cd tests/measure/hello && cargo build --release --locked)
    python3 tests/measure/start.py --functions target/lambda --hello tests/measure/hello/target/release/hello --cee target/release/cee

--functions is a folder with NAME or NAME/bootstrap for each function, as `cargo build`, `cargo lambda build` and `sam build` write it.
--cee is the local stack, which is started once: it gives each function its environment, and answers the one request to DynamoDB that a
function makes before it asks for work. Each round starts every function once, so that other load on the machine affects all of them
alike. The script compares the medians.

It measures the process only. What Lambda does before (it provides a machine and downloads the zip) is not included, and neither is a TLS
handshake with DynamoDB, because the local stack uses HTTP.
"""

import argparse
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

NEXT = b"GET /2018-06-01/runtime/invocation/next "
# The time that Lambda allows for a start.
LONGEST = 10
ALLOWED = 3.0


def binary(folder, name):
    """The path of a function's program."""
    for path in (folder / name / "bootstrap", folder / name):
        if path.is_file():
            return path.resolve()
    sys.exit(f"{name} is not in {folder}")


def names_in(folder):
    """The functions whose programs are in the folder."""
    return sorted({path.name for path in folder.glob("cee-*") if not path.suffix} - {"cee-check"})


def environments(cee, binaries, scratch):
    """The local stack, and the environment that it gives to each function. A script in place of each function records it."""
    folder = scratch / "functions"
    folder.mkdir()
    for name, path in binaries.items():
        noting = folder / name
        noting.write_text(f'#!/bin/sh\nenv -0 >"{scratch}/{name}.part" && mv "{scratch}/{name}.part" "{scratch}/{name}.env"\nexec "{path}"\n')
        noting.chmod(0o755)
    data = scratch / "data"
    command = [cee, "serve", "--port", "0", "--dynamodb-port", "0", "--s3-port", "0", "--data-dir", data, "--binaries", folder]
    log = (scratch / "stack.log").open("wb")
    stack = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    until = time.monotonic() + 120
    while not (data / "local.json").exists():
        if stack.poll() is not None or time.monotonic() > until:
            stack.kill()
            sys.exit(f"the local stack did not start:\n{(scratch / 'stack.log').read_text()}")
        time.sleep(0.1)
    found = {}
    for name in binaries:
        pairs = (scratch / f"{name}.env").read_bytes().split(b"\0")
        found[name] = dict(os.fsdecode(pair).split("=", 1) for pair in pairs if pair)
    return stack, found


def start(path, environment, output):
    """Milliseconds from the start of a process to its first request for work."""
    with socket.create_server(("127.0.0.1", 0)) as api:
        api.settimeout(LONGEST)
        host, port = api.getsockname()
        environment = environment | {"AWS_LAMBDA_RUNTIME_API": f"{host}:{port}"}
        output.seek(0)
        output.truncate()
        began = time.perf_counter_ns()
        process = subprocess.Popen([path], env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            connection, _ = api.accept()
            with connection:
                connection.settimeout(LONGEST)
                request = connection.recv(65536)
                took = time.perf_counter_ns() - began
        except TimeoutError:
            request, took = b"", 0
        finally:
            process.kill()
            process.wait()
    if not request.startswith(NEXT):
        output.seek(0)
        sys.exit(f"{path} did not ask for work: {request[:200]!r}\n{output.read().decode(errors='replace')}")
    return took / 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--functions", type=Path, required=True)
    parser.add_argument("--hello", type=Path, required=True)
    parser.add_argument("--cee", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("names", nargs="*", help="functions; without any, all that are in the folder")
    given = parser.parse_args()
    names = given.names or names_in(given.functions)
    binaries = {name: binary(given.functions, name) for name in names}
    hello = given.hello.resolve()

    with tempfile.TemporaryDirectory(prefix="cee-start-") as scratch, tempfile.TemporaryFile() as output:
        stack, found = environments(given.cee.resolve(), binaries, Path(scratch))
        try:
            # The hello starts like any function; it ignores the settings for tables.
            first = found[names[0]]
            started = {"hello": (hello, first)} | {name: (binaries[name], found[name]) for name in names}
            times = {name: [] for name in started}
            # The first round reads the files from the disk, and does not count.
            for number in range(given.rounds + 1):
                for name, (path, environment) in started.items():
                    took = start(path, environment, output)
                    if number > 0:
                        times[name].append(took)
        finally:
            stack.terminate()
            stack.wait()

    print(f"start to first request for work, {given.rounds} starts each, {platform.machine()}, {os.cpu_count()} cores, milliseconds")
    print(f"{'':18}{'median':>9}{'p95':>9}{'ratio':>9}")
    base = statistics.median(times["hello"])
    slow = []
    for name, each in times.items():
        median, p95 = statistics.median(each), statistics.quantiles(each, n=20)[-1]
        print(f"{name:18}{median:9.2f}{p95:9.2f}{median / base:9.2f}")
        slow += [name] if median > ALLOWED * base else []
    if slow:
        sys.exit(f"more than {ALLOWED:g} times as long as the hello: {', '.join(slow)}")


if __name__ == "__main__":
    main()
