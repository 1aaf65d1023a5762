#!/usr/bin/env bash
# Builds what `sam deploy` uploads, and writes the zips that it will make of it, with their hashes, to target/release-assets. Nothing in
# them depends on the machine (docs/adr/0027). Arguments go to `sam build`: a function's name in the template, to build one alone.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# shellcheck source=infra/release/paths.sh
source infra/release/paths.sh
sam build "$@"
python3 infra/release/zip.py .aws-sam/build target/release-assets
