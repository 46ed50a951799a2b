#!/usr/bin/env bash
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/venv.bash"

cargo build --quiet --release --manifest-path "$BENCH/../Cargo.toml" --package analytics_sidecar
SIDECAR_PROGRAM=${CARGO_TARGET_DIR:-$BENCH/../target}/release/analytics-sidecar
export SIDECAR_PROGRAM
exec "$PYTHON" "$BENCH/webhooks.py" "$@"
