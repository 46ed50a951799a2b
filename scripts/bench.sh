#!/usr/bin/env bash
# Runs bench/*.sh, or the ones named: bench.sh [name…]. Each gets a new database with the schema, without the REST server,
# as DB_URL, and the server's programs on PATH. Each prints its figure beside what it is compared with.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cd "$ROOT"
remove_abandoned_states bench
STATE=$DEV/bench-$$
trap '"$ROOT/scripts/stack.sh" remove "$STATE"' EXIT

names=("$@")
if [ ${#names[@]} -eq 0 ]; then
  mapfile -t names < <(compgen -G 'bench/*.sh' | sed 's|.*/||; s|\.sh$||')
fi
"$ROOT/scripts/prerequisites.sh" bench
"$ROOT/scripts/build.sh" extension
DB_PORT=$(free_port)
export DB_PORT
PG_PRELOAD='' "$ROOT/scripts/cluster.sh" start "$STATE" "$DB_PORT"
"$ROOT/scripts/build.sh" install "$STATE"
PATH=$(server_bin "$STATE"):$PATH
for name in "${names[@]}"; do
  step "$name"
  "$ROOT/scripts/cluster.sh" database "$STATE" "$DB_PORT" bench
  DB_URL=$(database_url "$STATE" "$DB_PORT" bench) "bench/$name.sh"
done
