# shellcheck shell=bash
# Sourced by bench/*.sh: PYTHON with what bench/requirements.txt names, below .dev/.

BENCH=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
VENV=$BENCH/../.dev/bench-venv
PYTHON=$VENV/bin/python
export PYTHONDONTWRITEBYTECODE=1

: "${DB_URL:?where a superuser finds a new database with the schema; make bench sets it}"
if ! cmp -s "$BENCH/requirements.txt" "$VENV/requirements.txt"; then
  python3 -m venv "$VENV"
  "$PYTHON" -m pip install --quiet --disable-pip-version-check --requirement "$BENCH/requirements.txt"
  cp "$BENCH/requirements.txt" "$VENV/requirements.txt"
fi
