# shellcheck shell=bash
# Source this in the root of the repository. A panic's location is a path in the binary. The path must not contain a home directory,
# because then the bytes would differ between machines. .cargo/config.toml cannot do this: it knows neither of the two folders. RUSTFLAGS
# cannot either: cargo would then ignore the processor that `cargo lambda` builds for.
CARGO_BUILD_RUSTFLAGS="--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}/registry/src=/cargo --remap-path-prefix=$PWD=/source"
export CARGO_BUILD_RUSTFLAGS
