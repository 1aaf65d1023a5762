#!/usr/bin/env python3
"""Measures what a call costs a function: `python3 tests/measure/a_call.py target/lambda` (or `target/release`, `target/debug`).

Starts the local stack with the functions as compiled programs, each in its own process, and makes --calls calls one after the other.
Reads from /proc what simulate and register used: processor time per call, and peak memory. Also counts the bytes that they log, at the
log level that they have on AWS.

The folder contains the programs under their names, as cargo writes them, or NAME/bootstrap, as `sam build` and `cargo lambda` write
them. Needs only Python 3.
"""

import argparse
import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

from start import binary, names_in

ROOT = Path(__file__).resolve().parents[2]
FUNCTIONS = ("simulate", "register")
WARM = 100


class Process:
    """The process of a function, found by the function's name."""

    def __init__(self, name, parent):
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    stat = (entry / "stat").read_text()
                    told = (entry / "environ").read_bytes().split(b"\0")
                except OSError:
                    continue
                child = int(stat.rsplit(")", 1)[1].split()[1]) == parent
                if child and f"AWS_LAMBDA_FUNCTION_NAME={name}".encode() in told:
                    self.folder = entry
                    return
        sys.exit(f"no process of {name}")

    def seconds(self):
        fields = (self.folder / "stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak(self):
        return int(re.search(r"VmHWM:\s+(\d+) kB", (self.folder / "status").read_text())[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the functions' programs are")
    parser.add_argument("--cee", type=Path, default=ROOT / "target" / "debug" / "cee", help="the local stack")
    parser.add_argument("--calls", type=int, default=5000, help="of each function")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cee-call-") as scratch:
        measure(arguments, Path(scratch))


def measure(arguments, scratch):
    data, programs = scratch / "data", scratch / "programs"
    programs.mkdir()
    for name in names_in(arguments.folder):
        (programs / name).symlink_to(binary(arguments.folder, name))
    command = [arguments.cee, "serve", "--port=0", "--dynamodb-port=0", "--s3-port=0", "--calls-per-second=0"]
    command += ["--now=2024-05-01T00:00:00Z", "--data-dir", data, "--binaries", programs]
    stack = subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    logged = []
    threading.Thread(target=lambda: logged.extend(stack.stderr), daemon=True).start()
    try:
        if not any(line.strip() == "ready" for line in stack.stdout):
            sys.exit("the local stack does not start")
        threading.Thread(target=lambda: [None for _ in stack.stdout], daemon=True).start()
        shell = subprocess.run([arguments.cee, "env", "--operator=1", "--data-dir", data], capture_output=True, text=True)
        variables = dict(re.findall(r"^(?:export )?(\w+)='?([^'\n]*)'?$", shell.stdout, re.M))
        base = urlsplit(variables["API"])
        connection = http.client.HTTPConnection(base.netloc)

        def call(path, body):
            headers = {"authorization": f"Bearer {variables['TOKEN']}", "content-type": "application/json"}
            connection.request("POST", f"{base.path}/policies/cee{path}", json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

        def make(path, body, expected):
            status, text = call(path, body)
            if status != expected:
                sys.exit(f"{status} for POST {path}: {text}")

        def driver(number):
            return {
                "journey_type": "long", "last_name_trunc": "COS", "phone_trunc": f"+336{number:06d}",
                "driving_license": f"COST{number:06d}",
            }

        def application(number):
            return driver(number) | {"datetime": "2024-03-15T08:30:00Z"}

        for function, path, body, status in (("simulate", "/simulate", driver, 200), ("register", "", application, 201)):
            for number in range(WARM):
                make(path, body(900_000 + number), status)
            process = Process(f"cee-{function}", stack.pid)
            used, lines, began = process.seconds(), len(logged), time.monotonic()
            for number in range(arguments.calls):
                make(path, body(number), status)
            took, used = time.monotonic() - began, process.seconds() - used
            time.sleep(1)
            bytes_logged = sum(len(line.split(": ", 1)[-1]) for line in logged[lines:]) / arguments.calls
            print(
                f"{function}: {1e3 * used / arguments.calls:.2f} ms of processor time for a call, {process.peak() / 1024:.1f} MiB "
                f"at most, {bytes_logged:.0f} bytes logged ({1e3 * took / arguments.calls:.1f} ms from end to end here)"
            )
    finally:
        stack.terminate()
        stack.wait(30)


if __name__ == "__main__":
    main()
