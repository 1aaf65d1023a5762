# shellcheck shell=bash
# Sourced in the root of the repository. A panic's place is a path inside the binary: it must not contain a home directory, and with one the
# bytes would differ between machines. Not in .cargo/config.toml, which knows neither of the two folders. Not RUSTFLAGS either, because
# cargo would then ignore the processor that `cargo lambda` builds for.
CARGO_BUILD_RUSTFLAGS="--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}/registry/src=/cargo --remap-path-prefix=$PWD=/source"
export CARGO_BUILD_RUSTFLAGS
