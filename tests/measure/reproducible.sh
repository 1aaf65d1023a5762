#!/usr/bin/env bash
# Builds a function from two checkouts of this commit in different folders, each with its own CARGO_HOME, and compares the results byte
# for byte.
#
#   bash tests/measure/reproducible.sh [FUNCTION] [arguments of cargo lambda build; by default --arm64]
#
# Compiles every dependency twice. Needs cargo-lambda, and the crates of Cargo.lock in the registry's cache (`cargo fetch`).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

function=${1:-public}
shift || true
(($# > 0)) || set -- --arm64
commit=$(git rev-parse HEAD)
known=${CARGO_HOME:-$HOME/.cargo}/registry
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# build FOLDER: compiles the function from a checkout in FOLDER.
build() (
    local folder=$1
    shift
    mkdir -p "$folder/home/registry"
    # Downloads only; what is compiled is unpacked into this folder.
    ln -s "$known/cache" "$known/index" "$folder/home/registry/"
    git clone --quiet --no-checkout . "$folder/checkout"
    git -C "$folder/checkout" checkout --quiet --detach "$commit"
    cd "$folder/checkout"
    export CARGO_HOME=$folder/home CARGO_TARGET_DIR=$folder/target
    # shellcheck source=infra/release/paths.sh
    source infra/release/paths.sh
    cd "functions/$function"
    cargo lambda build --release --locked --bin "cee-$function" "$@"
    python3 ../../infra/release/zip.py "$folder/target/lambda" "$folder/zips"
    # Frees half of the disk before the other half is needed.
    mv "$folder/target/lambda" "$folder/lambda"
    rm -rf "$folder/target"
)

build "$scratch/one" "$@"
build "$scratch/elsewhere/two" "$@"
if cmp "$scratch/one/lambda/cee-$function/bootstrap" "$scratch/elsewhere/two/lambda/cee-$function/bootstrap" &&
    cmp "$scratch/one/zips/cee-$function.zip" "$scratch/elsewhere/two/zips/cee-$function.zip"; then
    printf '%s of %s is the same to the byte, binary and zip:\n' "cee-$function" "$commit"
    cat "$scratch/one/zips/SHA256SUMS"
else
    diff <(strings -n 8 "$scratch/one/lambda/cee-$function/bootstrap") \
        <(strings -n 8 "$scratch/elsewhere/two/lambda/cee-$function/bootstrap") | head -20 || true
    exit 1
fi
