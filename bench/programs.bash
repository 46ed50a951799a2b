# shellcheck shell=bash
# Sourced by bench/*.sh that run our programs: PROGRAMS, where release builds of the sidecar and the stand-in are.

cargo build --quiet --release --manifest-path "$BENCH/../Cargo.toml" --package analytics_sidecar --package analytics_standin
PROGRAMS=$(realpath "${CARGO_TARGET_DIR:-$BENCH/../target}")/release
export PROGRAMS
