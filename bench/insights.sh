#!/usr/bin/env bash
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/venv.bash"
source "$BENCH/programs.bash"

exec "$PYTHON" "$BENCH/insights.py" "$@"
