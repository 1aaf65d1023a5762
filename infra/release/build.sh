#!/usr/bin/env bash
# What `sam deploy` uploads, and the zips that it will make of it with their hashes in target/release-assets, without anything in them
# that tells where they were made (docs/adr/0027). Arguments go to `sam build`: a function's name in the template, for one alone.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# shellcheck source=infra/release/paths.sh
source infra/release/paths.sh
sam build "$@"
python3 infra/release/zip.py .aws-sam/build target/release-assets
