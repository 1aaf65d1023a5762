"""Tests that our zip equals the zip of `sam deploy`. Run it with the Python that sam is installed in: `python infra/release/zip_test.py`."""

import tempfile
from pathlib import Path

import zip as ours
from samcli.lib.package.utils import make_zip_with_lambda_permissions

with tempfile.TemporaryDirectory() as scratch:
    folder = Path(scratch, "build")
    folder.mkdir()
    bootstrap = folder / "bootstrap"
    bootstrap.write_bytes(b"\x7fELF" + bytes(range(256)) * 4096)
    bootstrap.chmod(0o755)
    theirs = Path(make_zip_with_lambda_permissions(str(Path(scratch, "sam")), str(folder)))
    ours.pack(bootstrap.read_bytes(), Path(scratch, "ours.zip"))
    assert theirs.read_bytes() == Path(scratch, "ours.zip").read_bytes(), "sam packs in another way now: see infra/release/zip.py"
print("our zip is sam's")
