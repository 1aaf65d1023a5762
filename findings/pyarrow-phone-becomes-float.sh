#!/usr/bin/env bash
# Tool: pandas 3.1.1 with engine="pyarrow" (pyarrow 26.0.1), beside its default engine. Observed 2026-11-27.
#
# Expected: a column of "+336399801" is either text (the plus sign is not a digit) or whole numbers. pyarrow reads the same
#   digits without a plus sign as int64, and pandas' default engine reads them as int64 with or without the sign.
# Observed: pyarrow's integer parser refuses the plus sign, its float parser accepts it, and floats are tried before text.
#   The phones become float64, and a CSV file written back holds "336399801.0".
# What it means: a changed engine alone turns an operator's phones into decimal numbers. Read phones as text (dtype=str),
#   and expect ".0" behind a phone that came through pandas.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet pandas==3.1.1 pyarrow==26.0.1

observed=$(venv/bin/python - <<'PY'
import io
import pandas

def read(cell, engine):
    text = f"last_name_trunc,phone_trunc\nDUP,{cell}\n"
    return pandas.read_csv(io.BytesIO(text.encode()), engine=engine)

types = [
    f"{engine} {cell}: {read(cell, engine).phone_trunc.dtype}"
    for engine in ("c", "pyarrow")
    for cell in ("336399801", "+336399801")
]
written = read("+336399801", "pyarrow").to_csv(index=False).splitlines()[1]
print("; ".join(types + [f"written back: {written}"]))
PY
)
recorded='c 336399801: int64; c +336399801: int64; pyarrow 336399801: int64; pyarrow +336399801: float64; written back: DUP,336399801.0'
echo "expected: pyarrow reads +336399801 as text or as int64, as it reads 336399801"
echo "observed: $observed"
[ "$observed" = "$recorded" ] || { echo "changed since this was recorded: $recorded" >&2; exit 1; }
