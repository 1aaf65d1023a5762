"""Compares our reader with four validators on every file of tests/files/history, and writes the differences into docs/history-files.md.

Usage: compare.py FOLDER. The script installs the versions below from PyPI and npm into FOLDER, and reuses them. Needs python3, node, npm
and cargo. Fails if differences.json lacks a difference, or lists one that does not exist. UPDATE=1 adds new differences without a reason;
write the reason by hand.
"""

import json
import os
import pathlib
import re
import subprocess
import sys

VERSIONS = {"frictionless": "5.21.0", "tableschema": "1.21.0", "tableschema.js": "1.12.6", "validata-core": "0.9.7"}
TITLES = {
    "frictionless": "frictionless",
    "tableschema": "tableschema (Python)",
    "tableschema.js": "tableschema (npm)",
    "validata-core": "validata-core",
}

here = pathlib.Path(__file__).resolve().parent
root = here.parents[3]
schema = root / "docs/history.schema.json"
folder = pathlib.Path(sys.argv[1]).resolve()
folder.mkdir(parents=True, exist_ok=True)


def environment(name):
    """A Python with the validator, and its environment variables."""
    version = VERSIONS[name]
    place = folder / f"{name}-{version}"
    if name == "tableschema.js":
        if not (place / "node_modules/tableschema").exists():
            place.mkdir(exist_ok=True)
            subprocess.run(["npm", "install", "--silent", "--prefix", place, f"tableschema@{version}"], check=True)
        return sys.executable, {**os.environ, "NODE_PATH": str(place / "node_modules")}
    python = place / "bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", place], check=True)
        # validata-core imports pkg_resources, which newer versions of setuptools do not have.
        more = ["setuptools<81"] if name == "validata-core" else []
        subprocess.run([python, "-m", "pip", "install", "--quiet", f"{name}=={version}", *more], check=True)
    return python, dict(os.environ)


command = ["cargo", "test", "--quiet", "-p", "cee-history", "--test", "schema", "--", "--ignored", "--nocapture", "print_requests_to_compare"]
output = subprocess.run(command, cwd=root, check=True, stdout=subprocess.PIPE, text=True).stdout
requests = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
differing = {}
for name in VERSIONS:
    python, env = environment(name)
    lines = "".join(json.dumps(request) + "\n" for request in requests)
    run = subprocess.run(
        [python, here / "validate.py", schema, name], input=lines, stdout=subprocess.PIPE, text=True, env=env, check=True
    )
    answers = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(answers) == len(requests), f"{name} answered {len(answers)} of {len(requests)}"
    for request, theirs in zip(requests, answers):
        refused = {int(line) for line in theirs}
        for line in refused ^ set(request["rejected"]):
            differing.setdefault((request["name"], line), set()).add(name)

path = here / "differences.json"
listed = json.loads(path.read_text())
found = {key: sorted(names) for key, names in differing.items()}
known = {}
for entry in listed:
    for line in entry["lines"]:
        known[entry["file"], line] = sorted(entry.get("validators", VERSIONS))
if os.environ.get("UPDATE"):
    listed = [entry for entry in listed if all(found.get((entry["file"], line)) == known[entry["file"], line] for line in entry["lines"])]
    have = {(entry["file"], line) for entry in listed for line in entry["lines"]}
    for (file, line), names in sorted(found.items()):
        if (file, line) not in have:
            listed.append({"file": file, "lines": [line], "why": "", "validators": names})
    path.write_text(json.dumps(listed, indent=1, ensure_ascii=False) + "\n")
elif found != known:
    sys.exit("\n".join(f"{key}: listed {known.get(key)}, found {found.get(key)}" for key in sorted(found.keys() | known.keys()) if known.get(key) != found.get(key)))

by_request = {request["name"]: request for request in requests}
reasons = {}
for entry in listed:
    names = entry.get("validators", list(VERSIONS))
    for line in entry["lines"]:
        ours = "refused" if line in by_request[entry["file"]]["rejected"] else "taken"
        reasons.setdefault((entry["why"], ours, tuple(sorted(names))), []).append((entry["file"], line))
total = sum(max(1, len(request["rows"] or [])) for request in requests)
table = [
    f"Compared on {len(requests)} files of [tests/files/history](../tests/files/history) with {total} rows by",
    "[a script](../shared/history/tests/schema/compare.py), which writes this table: "
    + ", ".join(f"{TITLES[name]} {version}" for name, version in VERSIONS.items())
    + ".",
    "They differ from the registry in these rows, and in no other (line 0: the file as a whole).",
    "",
    "| the registry | because | other validators | for example |",
    "|---|---|---|---|",
]
for (why, ours, names), places in sorted(reasons.items(), key=lambda item: (item[0][1], -len(item[1]), item[0][0])):
    who = "all" if set(names) == set(VERSIONS) else ", ".join(TITLES[name] for name in VERSIONS if name in names)
    other = "take it" if ours == "refused" else "refuse it"
    more = f" and {len(places) - 1} more" if len(places) > 1 else ""
    table.append(f"| {ours} | {why} | {who}: {other} | `{places[0][0]}` line {places[0][1]}{more} |")
document = root / "docs/history-files.md"
page = document.read_text()
block = "<!-- validators -->\n" + "\n".join(table) + "\n<!-- /validators -->"
page = re.sub(r"<!-- validators -->.*?<!-- /validators -->", lambda _: block, page, flags=re.S)
document.write_text(page)
print(f"{len(found)} rows differ, each is listed")
