#!/usr/bin/env bash
# Builds what `sam deploy` uploads, and writes the zips that `sam deploy` will make of it, with their hashes, to target/release-assets.
# Nothing in them depends on the machine (docs/adr/0027). Passes its arguments to `sam build`: a function's name in the template builds
# only that function.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# shellcheck source=infra/release/paths.sh
source infra/release/paths.sh
sam build "$@"
python3 infra/release/zip.py .aws-sam/build target/release-assets
