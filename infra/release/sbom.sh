#!/usr/bin/env bash
# Writes the components of each function as CycloneDX: one document for each deployed binary, in target/release-assets.
# Needs `cargo install --locked cargo-cyclonedx@0.5.9`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

out=$PWD/target/release-assets
mkdir -p "$out"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# The tool writes next to each Cargo.toml, including those of tests: so it runs in a separate checkout of the commit.
git archive HEAD | tar -x -C "$scratch"
# The commit's time instead of the present time: the same commit gives the same document.
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
(cd "$scratch" && cargo cyclonedx --format json --spec-version 1.5 --describe binaries --target aarch64-unknown-linux-gnu)
for document in "$scratch"/functions/*/cee-*_bin.cdx.json; do
    name=$(basename "$document" _bin.cdx.json)
    cp "$document" "$out/$name.cdx.json"
    printf '%s: %s crates\n' "$name.cdx.json" "$(grep -c '"purl": "pkg:cargo/' "$document")"
done
