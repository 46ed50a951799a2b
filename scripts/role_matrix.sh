#!/usr/bin/env bash
# Prints tests/role_matrix.tsv: what every role may do with every table, view, partition and function of both schemas, tried
# out in the database that libpq's environment names (PGHOST, PGDATABASE, …), which has the schema installed and no data; the
# connection is a superuser's. Nothing stays. The same schema gives the same text.
#
#   role_matrix.sh >tests/role_matrix.tsv   write it, then read what changed
#   role_matrix.sh check                    fail, with the difference, when the file is not what would be written
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

print_matrix() {
  PGOPTIONS="-c client_min_messages=warning" PGCLIENTENCODING=UTF8 psql -X -q -v ON_ERROR_STOP=1 -f "$ROOT/tests/role_matrix.sql"
}

case ${1:-} in
  "") print_matrix ;;
  check) diff -u --label tests/role_matrix.tsv --label "the installed schema" "$ROOT/tests/role_matrix.tsv" <(print_matrix) ||
    fail "tests/role_matrix.tsv is not what scripts/role_matrix.sh prints: a new object or right needs a decision" ;;
  *) fail "usage: role_matrix.sh [check]" ;;
esac
