#!/usr/bin/env python3
"""Mutation testing of the rules and the claim protocol: `python3 tests/mutants/run.py all`.

Each mutant is the code with one small fault, and the tests must fail on it. The script fails if a mutant survives, unless `survivors.md`
in this folder says why no test can find it. It also fails if a listed mutant no longer survives.

  all                 every mutant of `.cargo/mutants.toml`, and the faults of `conditions.toml`
  changed [BASE]      the mutants of the lines that changed since BASE: by default $MUTANTS_BASE, else the merge base with
                      origin/main, else the previous commit; and the faults of `conditions.toml` in the files that changed
  diff [BASE]         only reports whether there is anything to mutate
  base [BASE]         only prints the commit that `changed` compares with

Each mode first fails if a text that `conditions.toml` changes does not occur exactly once in its file: no test would look for a fault
that cannot be put in.

Exit codes: 0 success; 1 failure; 3 no BASE; 4 (`diff`) nothing changed; 75 stopped after --seconds, before the end.

Needs Python 3.11, and cargo-mutants in PATH. Tests the committed code, in a separate worktree below target/, with the dependencies that
are already built.
"""

import argparse
import collections
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
WORK = ROOT / "target" / "mutants"
TREE = WORK / "tree"

# Races find a fault by chance only; the tests of credentials take time, and no mutated code belongs to them.
LEFT_OUT = ["concurrent_", "racing", "credentials::"]
# The tests: the cargo arguments, and the names to run.
REGISTRY = (["--lib", "--test=store"], [])
MODEL = (["--test=store"], ["model::"])
# The tests for the mutants of each file: the quickest first, then all tests for the mutants that are left.
JUDGES = [
    ("cee-eligibility", ".*", [(["--lib"], []), (["--lib", "--test=patterns"], [])]),
    (
        "cee-registry",
        "dynamo/(?:transaction|update)|records/(?:claim_item|claim_keys|rewrite)|stores/(?:applications|claims|journeys)|protocol/[a-z_]+",
        [MODEL, REGISTRY],
    ),
    (
        "cee-registry",
        "dynamo/(?:error|retry)|records/(?:application|archive|idempotency|journey)|stores/(?:archive|idempotency)|team/[a-z/]+",
        [REGISTRY],
    ),
]
FOLDERS = {"cee-eligibility": "shared/eligibility/src/", "cee-registry": "shared/registry/src/"}
# The same random cases each time: otherwise a mutant could survive in one run and not in the next. No search for a smaller case.
ENVIRONMENT = {
    "PROPTEST_RNG_SEED": "1",
    "PROPTEST_MAX_SHRINK_ITERS": "0",
    "MODEL_OPERATIONS": "500",
    "CARGO_PROFILE_DEV_DEBUG": "0",
    "CARGO_INCREMENTAL": "1",
    "CARGO_TARGET_DIR": str(ROOT / "target"),
}
OUTCOMES = {"caught": "caught", "missed": "survived", "timeout": "never ended", "unviable": "did not compile"}

NO_BASE, UNCHANGED, CUT = 3, 4, 75


def git(*arguments, check=True):
    done = subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, text=True)
    if check and done.returncode:
        sys.exit(f"git {' '.join(map(str, arguments))}: {done.stderr.strip()}")
    return done.stdout.strip() if done.returncode == 0 else None


def base(asked):
    """The commit to compare with; None if this clone does not contain one."""
    asked = asked or os.environ.get("MUTANTS_BASE")
    if asked:
        return git("rev-parse", "--verify", "--quiet", f"{asked}^{{commit}}", check=False)
    head = git("rev-parse", "HEAD")
    merge_base = git("merge-base", "HEAD", "origin/main", check=False)
    if merge_base and merge_base != head:
        return merge_base
    return git("rev-parse", "--verify", "--quiet", "HEAD~1", check=False)


def touched(diff):
    """The packages that a diff touches."""
    return [package for package, folder in FOLDERS.items() if f"+++ b/{folder}" in diff]


def make_tree():
    if git("status", "--porcelain", "--untracked-files=no"):
        print("!!! what is not committed is not tested")
    if not (TREE / ".git").exists():
        git("worktree", "prune")
        git("worktree", "add", "--quiet", "--force", "--detach", TREE, "HEAD")
    clean_tree(git("rev-parse", "HEAD"))


def clean_tree(commit="HEAD"):
    subprocess.run(["git", "-C", TREE, "checkout", "--quiet", "--force", "--detach", commit], check=True)
    # A case that proptest recorded for a mutant must not be tried with the next one.
    subprocess.run(["git", "-C", TREE, "clean", "--quiet", "-fd"], check=True)


class Clock:
    """The remaining time."""

    def __init__(self, seconds):
        self.end = time.monotonic() + seconds if seconds else None

    def left(self):
        return max(0.0, self.end - time.monotonic()) if self.end else None

    def is_over(self):
        return self.end is not None and self.left() <= 1


def run_limited(command, clock, **options):
    """Runs a command. Returns its exit code, or None if the time ended first."""
    process = subprocess.Popen(command, cwd=TREE, env=os.environ | ENVIRONMENT, start_new_session=True, **options)
    try:
        return process.wait(clock.left())
    except subprocess.TimeoutExpired:
        return None
    finally:
        # Stopped or interrupted: no process may continue in the tree.
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def mutate(judges, more, clock):
    """Mutates some files. Returns the mutants by their outcome, and whether all of them were tested."""
    package, files, passes = judges
    out = WORK / f"{package}-{re.sub(r'[^a-z]+', '-', files)[:20].strip('-') or 'all'}"
    shutil.rmtree(out, ignore_errors=True)
    found, complete = {}, True
    for number, (tests, names) in enumerate(passes):
        command = ["cargo", "mutants", "--in-place", "--no-shuffle", "--colors=never", "--caught", "--unviable"]
        command += ["--package", package, "--output", out, "--re", rf"/src/({files})\.rs:", *more]
        # Given to each call of cargo, so that no other test is built.
        command += [f"--cargo-arg={test}" for test in tests]
        # A mutant that some tests catch is caught by all tests.
        command += ["--iterate"] if number else []
        code = run_limited([*command, "--", "--", *names, *skips()], clock)
        clean_tree()
        results = out / "mutants.out"
        if code not in (0, 2, 3, None):
            sys.exit(f"cargo mutants failed ({code}): see {results}")
        for name, outcome in OUTCOMES.items():
            found |= dict.fromkeys(mutants_of(results, name), outcome)
        complete = code is not None
        if not complete:
            # The other tests may catch what some tests miss: without the second pass the result is unknown.
            known = mutants_of(results, "missed") if number == len(passes) - 1 else []
            found = {mutant: outcome for mutant, outcome in found.items() if outcome != "survived" or mutant in known}
        if not complete or "survived" not in found.values():
            break
    return found, complete


def mutants_of(results, name):
    """The mutants with an outcome, as cargo-mutants lists them."""
    path = results / f"{name}.txt"
    return path.read_text().splitlines() if path.exists() else []


def skips():
    return [word for name in LEFT_OUT for word in ("--skip", name)]


def without_place(mutant):
    """A mutant's file and what it does, without the line and column, which change with every edit."""
    return re.sub(r"^([^:]+):\d+:\d+: ", r"\1: ", mutant)


def excused(packages):
    """The mutants that survivors.md lists for these packages, each with the number of times that it may survive."""
    listed = collections.Counter()
    for times, mutant in re.findall(r"^- (?:(\d+) × )?`([^`]+)`", (HERE / "survivors.md").read_text(), re.M):
        if mutant.startswith(tuple(FOLDERS[package] for package in packages)):
            listed[mutant] += int(times or 1)
    return listed


def faults_in_conditions():
    """The faults of conditions.toml. Fails if one of them cannot be put in."""
    faults, out_of_place = tomllib.loads((HERE / "conditions.toml").read_text())["fault"], False
    for fault in faults:
        path = ROOT / fault["file"]
        times = path.read_text().count(fault["is"]) if path.exists() else 0
        if times != 1:
            print(f"conditions.toml: {fault['is']!r} stands {times} times in {fault['file']}")
            out_of_place = True
    if out_of_place:
        sys.exit("conditions.toml does not fit the code")
    return faults


def conditions(faults, clock):
    """Tries the faults in the texts of the conditions, which cargo-mutants does not mutate. Returns the survivors, the number of tried
    faults, and whether all were tried."""
    survived, tried = [], 0
    for fault in faults:
        if clock.is_over():
            return survived, tried, False
        path = TREE / fault["file"]
        source = path.read_text()
        if source.count(fault["is"]) != 1:
            sys.exit(f"conditions.toml: not once in what is committed of {fault['file']}: {fault['is']!r}")
        path.write_text(source.replace(fault["is"], fault["becomes"]))
        began, test = time.monotonic(), ["cargo", "test", "--package", "cee-registry"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        name = f"{fault['file']}: {fault['is']} becomes {fault['becomes'] or 'nothing'}"
        outcome = "survived"
        if run_limited([*test, "--lib", "--no-run"], clock, **quiet):
            sys.exit(f"does not compile: {name}")
        for tests, names in (MODEL, REGISTRY):
            code = run_limited([*test, *tests, "--", *names, *skips()], clock, **quiet)
            if code:
                outcome = "caught"
            if code is None or code:
                break
        clean_tree()
        if clock.is_over():
            return survived, tried, False
        tried += 1
        print(f"{outcome:8} {name} in {time.monotonic() - began:.0f} s", flush=True)
        if outcome == "survived":
            survived.append(name)
    return survived, tried, True


def judge(found, packages, everything):
    """Prints the outcomes of the mutants. Returns whether the survivors are those of survivors.md."""
    survivors = collections.Counter(without_place(mutant) for mutant, outcome in found.items() if outcome == "survived")
    listed = excused(packages)
    new, gone = survivors - listed, listed - survivors
    for mutant, times in new.items():
        print(f"SURVIVED, and is not in survivors.md: {times} × {mutant}")
    if everything:
        for mutant, times in gone.items():
            print(f"survives no more, take it out of survivors.md: {times} × {mutant}")
    for mutant, outcome in found.items():
        if outcome == OUTCOMES["timeout"]:
            print(f"never ended: {mutant}")
    counts = collections.Counter(found.values())
    print(", ".join([f"{len(found)} mutants", *(f"{counts[outcome]} {outcome}" for outcome in OUTCOMES.values())]))
    return not new and not (everything and gone)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mode", choices=["all", "changed", "diff", "base"])
    parser.add_argument("base", nargs="?")
    parser.add_argument("--package", choices=list(FOLDERS), help="only this one")
    parser.add_argument("--seconds", type=int, help="how long it may take")
    arguments = parser.parse_args()
    clock, began = Clock(arguments.seconds), time.monotonic()
    packages, more, faults = list(FOLDERS), [], faults_in_conditions()
    if arguments.mode != "all":
        commit = base(arguments.base)
        if not commit:
            print("there is no commit to compare with")
            return NO_BASE
        if arguments.mode == "base":
            print(commit)
            return 0
        diff = git("diff", commit, "HEAD", "--", *FOLDERS.values()) + "\n"
        packages = touched(diff)
        print(f"since {commit[:12]}: {', '.join(packages) or 'nothing to mutate'}", flush=True)
        if arguments.mode == "diff":
            return 0 if packages else UNCHANGED
        WORK.mkdir(parents=True, exist_ok=True)
        (WORK / "changed.diff").write_text(diff)
        more = ["--in-diff", WORK / "changed.diff"]
        faults = [fault for fault in faults if f"+++ b/{fault['file']}\n" in diff]
    packages = [package for package in packages if arguments.package in (None, package)]
    make_tree()
    found, complete = {}, True
    for judges in JUDGES:
        if complete and judges[0] in packages:
            of_some, complete = mutate(judges, more, clock)
            found |= of_some
    well = judge(found, packages, arguments.mode == "all")
    if complete and faults and "cee-registry" in packages:
        survived, tried, complete = conditions(faults, clock)
        print(f"{tried} of {len(faults)} faults in conditions, {len(survived)} survived")
        well = well and not survived
    print(f"{time.monotonic() - began:.0f} s")
    if not complete:
        print(f"!!! cut after {arguments.seconds} s: not every mutant and fault was tested")
    return 1 if not well else 0 if complete else CUT


if __name__ == "__main__":
    sys.exit(main())
