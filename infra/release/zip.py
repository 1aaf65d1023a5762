#!/usr/bin/env python3
"""The zip of each function, its size and what Lambda will say of it: `python3 infra/release/zip.py .aws-sam/build OUT`.

The zip is, to the byte, the one that `sam deploy` makes of the same folder: nothing in it tells when or where it was made. What Lambda
answers as `CodeSha256` can so be compared with what is written here. Deflate is zlib's: another zlib may pack the same binary
otherwise, and then the hash of the binary, which is given as well, is what to compare.

A zip above --limit is a failure: Lambda fetches it at each cold start.
"""

import argparse
import base64
import hashlib
import sys
import zipfile
from pathlib import Path

MODE = 0o100755


def pack(binary, path):
    """One file named bootstrap, executable by all, of the first moment that a zip knows."""
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
