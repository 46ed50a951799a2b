#!/usr/bin/env bash
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/venv.bash"

exec "$PYTHON" "$BENCH/engagement_stats.py" "$@"
