#!/usr/bin/env bash
# Shows the stack at work: starts one of its own on free ports, lets demo.mjs use it, stops and removes it.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

remove_abandoned_states demo
STATE=$DEV/demo-$$
trap '"$ROOT/scripts/stack.sh" remove "$STATE"' EXIT

"$ROOT/scripts/prerequisites.sh" stack # brings node, which free_port needs
DB_PORT=$(free_port)
API_PORT=$(free_port)
export DB_PORT API_PORT
"$ROOT/scripts/stack.sh" up "$STATE"
set -a
# shellcheck source=/dev/null
source "$STATE/env"
set +a
node "$ROOT/scripts/demo.mjs"
