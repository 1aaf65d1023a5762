#!/usr/bin/env bash
# Tools: DuckDB 2.0.1 (Python package) with pandas 3.1.1, beside pyarrow 26.0.1. Observed 2026-11-29.
#
# Expected: age(2023-02-15, 2018-02-15), which DuckDB itself writes as "5 years", is 1,826 days in Python; or it arrives as something that
#   knows months, as it does in pyarrow; or it is refused, because a timedelta knows no months.
# Observed: it is timedelta(days=1800): every month has 30 days on the way to Python, to a list and to a data frame alike. The difference of the
#   two timestamps is 1,826 days, and adding the interval in SQL is exact.
# What it means: a program that takes the interval from DuckDB and adds it to a date tells a driver 26 days too early that five years are
#   over; after twelve years it is 63 days. Add intervals to dates in SQL, and fetch dates.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet duckdb==2.0.1 pandas==3.1.1 pyarrow==26.0.1

observed=$(venv/bin/python - <<'PY'
import duckdb

first, last = "timestamp '2018-02-15'", "timestamp '2023-02-15'"
age = f"age({last}, {first})"

def one(expression):
    return duckdb.sql(f"SELECT {expression}").fetchall()[0][0]

print(
    f"in SQL: {one(f'{age}::VARCHAR')}, {one(f'{first} + {age}'):%Y-%m-%d}",
    f"fetched: {one(age).days} days",
    f"in pandas: {duckdb.sql(f'SELECT {age} AS age').df()['age'][0].days} days",
    f"in pyarrow: {duckdb.sql(f'SELECT {age} AS age').to_arrow_table()['age'][0].as_py().months} months",
    f"difference: {one(f'{last} - {first}').days} days",
    sep="; ",
)
PY
)
recorded='in SQL: 5 years, 2023-02-15; fetched: 1800 days; in pandas: 1800 days; in pyarrow: 60 months; difference: 1826 days'
echo "expected: fetched and in pandas: 1826 days, or an error"
echo "observed: $observed"
[ "$observed" = "$recorded" ] || { echo "changed since this was recorded: $recorded" >&2; exit 1; }
