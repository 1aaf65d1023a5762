#!/usr/bin/env python3
"""Makes the zip of each function, and prints its size and Lambda's hash of it: `python3 infra/release/zip.py .aws-sam/build OUT`.

The zip equals, byte for byte, the zip that `sam deploy` makes of the same folder: it contains no time and no place of its making. So
Lambda's `CodeSha256` can be compared with the hash that this script prints. zlib compresses the binary, and another zlib may compress it
differently. Then compare the hash of the binary, which the script writes too.

The script fails if a zip is larger than --limit, because Lambda fetches the zip at each cold start.
"""

import argparse
import base64
import hashlib
import sys
import zipfile
from pathlib import Path

MODE = 0o100755


def pack(binary, path):
    """A zip with one file, bootstrap, which every user may execute, with the earliest time that a zip can have."""
    entry = zipfile.ZipInfo("bootstrap")
    entry.create_system = 3
    entry.external_attr = MODE << 16
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(entry, binary, zipfile.ZIP_DEFLATED)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="holds NAME/bootstrap for each function")
    parser.add_argument("out", type=Path)
    parser.add_argument("--limit", type=int, default=4_000_000, help="bytes")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    found = sorted(given.folder.glob("*/bootstrap"))
    if not found:
        sys.exit(f"no function in {given.folder}")
    large = []
    print(f"{'function':24}{'binary':>10}{'zip':>10}  CodeSha256")
    with (given.out / "SHA256SUMS").open("w") as sums:
        for bootstrap in found:
            name, binary = bootstrap.parent.name, bootstrap.read_bytes()
            path = given.out / f"{name}.zip"
            pack(binary, path)
            packed = path.read_bytes()
            digest = hashlib.sha256(packed)
            print(f"{name:24}{len(binary):10}{len(packed):10}  {base64.b64encode(digest.digest()).decode()}")
            sums.write(f"{digest.hexdigest()}  {name}.zip\n{hashlib.sha256(binary).hexdigest()}  {name}/bootstrap\n")
            large += [name] if len(packed) > given.limit else []
    if large:
        sys.exit(f"above {given.limit} bytes: {', '.join(large)}")


if __name__ == "__main__":
    main()
