#!/usr/bin/env bash
# Compares normalised phones with libphonenumber, on 30,000 numbers of all countries: bash tests/phones/compare.sh [--update]
# Needs a Python with the package phonenumbers (PHONES_PYTHON names it) and, to generate plan.rs again, regex.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
python=${PHONES_PYTHON:-python3}
cargo build --quiet --package cee-eligibility --example phones
"$python" shared/eligibility/src/phone/generate.py --check
"$python" tests/phones/compare.py "${CARGO_TARGET_DIR:-target}/debug/examples/phones" "$@"
