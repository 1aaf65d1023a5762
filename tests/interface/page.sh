#!/usr/bin/env bash
# Tests the reference page in a real browser: bash tests/interface/page.sh [screenshot.png]
# Needs chromium (Debian: apt-get install chromium) and python3.
set -euo pipefail
screenshot=${1:-}
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
set --
source tests/interface/stack.sh
python3 tests/interface/page.py "${api%/v3}" ${screenshot:+"$screenshot"}
