# shellcheck shell=bash
# Sourced in the root of the repository. A panic's place is a path inside the binary: nobody's home directory belongs there, and
# with it no two people would get the same bytes. Not in .cargo/config.toml, which knows neither of the two folders. Not RUSTFLAGS
# either, in favour of which cargo would forget the processor that `cargo lambda` builds for.
CARGO_BUILD_RUSTFLAGS="--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}/registry/src=/cargo --remap-path-prefix=$PWD=/source"
export CARGO_BUILD_RUSTFLAGS
