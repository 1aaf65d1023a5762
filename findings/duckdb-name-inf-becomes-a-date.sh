#!/usr/bin/env bash
# Tool: DuckDB 2.0.1 (Python package), CSV type detection. Observed 2026-11-27.
#
# Expected: a column whose only values are the three letters INF (the truncated name of a driver called Infante) is text, or at
#   worst a DOUBLE, as a column of NAN is.
# Observed: it is a DATE. DuckDB reads INF as the date "infinity"; Python gets 9999-12-31, and COPY writes "infinity".
# What it means: a file with one driver, or the rejected rows of one driver, can lose its names on the way through DuckDB.
#   Read history files with all_varchar = true.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet duckdb==2.0.1

observed=$(venv/bin/python - <<'PY'
import duckdb

for name in ("DUP", "NAN", "INF"):
    with open("names.csv", "w") as file:
        file.write(f"journey_type,last_name_trunc\nshort,{name}\nlong,{name}\n")
    names = duckdb.sql("SELECT last_name_trunc FROM read_csv('names.csv')")
    duckdb.sql("COPY (FROM read_csv('names.csv')) TO 'copy.csv'")
    copied = open("copy.csv").read().splitlines()[1]
    print(f"{name}: {names.types[0]}, first value {names.fetchall()[0][0]}, copied as {copied}", end="; ")
PY
)
recorded='DUP: VARCHAR, first value DUP, copied as short,DUP; NAN: DOUBLE, first value nan, copied as short,nan; INF: DATE, first value 9999-12-31, copied as short,infinity; '
echo "expected: INF is VARCHAR, or DOUBLE as NAN is"
echo "observed: $observed"
[ "$observed" = "$recorded" ] || { echo "changed since this was recorded: $recorded" >&2; exit 1; }
