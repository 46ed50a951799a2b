#!/usr/bin/env bash
# Every test, from a clean clone: what is missing is installed, a cluster and servers of its own are started on free
# ports and removed in the end. Fails when any test fails; a kind whose folder is empty is named and passed over.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cd "$ROOT"
remove_abandoned_states test
STATE=$DEV/test-$$
LOG=$STATE/log
passed=0
failed=0

clean_up() {
  local status=$?
  if [ $status -ne 0 ] && [ -d "$LOG" ]; then
    rm -rf "$DEV/failed-test"
    cp -r "$LOG" "$DEV/failed-test"
    printf 'the logs are in .dev/failed-test\n' >&2
  fi
  if [ -d "$LOG/pictures" ]; then
    rm -rf "$DEV/pictures"
    cp -r "$LOG/pictures" "$DEV/pictures"
    printf 'the screenshots are in .dev/pictures\n' >&2
  fi
  "$ROOT/scripts/stack.sh" remove "$STATE"
}
trap clean_up EXIT

# Checks and builds have nothing to count; one that fails counts as one failure.
check() { # what command…
  step "$1"
  shift
  "$@" </dev/null || failed=$((failed + 1))
}

# Runs tests, shows their runner's summary (all but the tests that passed, when one fails) and counts them.
run_tests() { # what summary-pattern awk-program command…
  local what=$1 summary=$2 count=$3 log=$LOG/${1// /-}.log status=0 ok bad
  shift 3
  step "$what"
  "$@" >"$log" 2>&1 </dev/null || status=$?
  if [ $status -eq 0 ]; then
    grep -E "$summary" "$log" || true
  else
    grep -vE '^(ok |✔ |test .* \.\.\. ok$)' "$log" || true
  fi
  read -r ok bad < <(awk "$count END { print ok + 0, bad + 0 }" "$log")
  if [ $status -ne 0 ] && [ "$bad" -eq 0 ]; then
    bad=1 # a runner that breaks off has no count of its own
  fi
  passed=$((passed + ok))
  failed=$((failed + bad))
}

holds() { # folder pattern
  compgen -G "$ROOT/tests/$1/$2" >/dev/null || {
    step "no tests in tests/$1"
    return 1
  }
}

in_database() { # name command…
  local name=$1
  shift
  PGHOST=127.0.0.1 PGPORT=$DB_PORT PGUSER=postgres PGPASSWORD=$(cat "$STATE/superuser") PGDATABASE=$name "$@"
}

# shellcheck disable=SC2016 # the programs are awk's
rust_tests() {
  run_tests "cargo test" '^test result' '/^test result/ { ok += $4; bad += $6 }' \
    cargo test --no-fail-fast --package analytics_domain --package analytics_sidecar --package analytics_standin
}

pgtap_tests() {
  holds pgtap '*.sql' || return 0
  "$ROOT/scripts/cluster.sh" database "$STATE" "$DB_PORT" pgtap pgtap plpgsql_check
  run_tests "pgTAP" '^(All tests|Files=|Result:)' '/^ok / { ok++ } /^not ok / { bad++ }' \
    in_database pgtap pg_prove --verbose tests/pgtap/*.sql
}

# Databases, roles, dumps and restores of their own: shell scripts that speak TAP.
# shellcheck disable=SC2016
install_tests() {
  holds install '*.t' || return 0
  run_tests "install" '^(All tests|Files=|Result:)' '/^ok / { ok++ } /^not ok / { bad++ }' \
    in_database postgres env PATH="$PG_LIB/bin:$PATH" prove --verbose tests/install/*.t
}

# regress and isolation: files in sql/ or specs/, what they must print in expected/.
golden_tests() { # folder inputs program
  local folder=$1 names
  holds "$folder" "$2/*" || return 0
  "$ROOT/scripts/cluster.sh" database "$STATE" "$DB_PORT" "$folder"
  mkdir -p "$LOG/$folder"
  mapfile -t names < <(cd "tests/$folder/$2" && printf '%s\n' * | sed 's/\.[a-z]*$//')
  run_tests "$folder" '^ All |failed' '/ \.\.\. ok/ { ok++ } / \.\.\. FAILED/ { bad++ }' \
    in_database "$folder" "$PG_LIB/lib/pgxs/src/test/$3" --use-existing --dbname="$folder" --bindir="$PG_LIB/bin" \
    --host=127.0.0.1 --port="$DB_PORT" --user=postgres --inputdir="tests/$folder" --outputdir="$LOG/$folder" "${names[@]}"
  if [ -s "$LOG/$folder/regression.diffs" ]; then
    cat "$LOG/$folder/regression.diffs"
  fi
}

# What is written down, against the schema.
documentation_tests() {
  "$ROOT/scripts/cluster.sh" database "$STATE" "$DB_PORT" documentation
  check "tests/role_matrix.tsv" in_database documentation scripts/role_matrix.sh check
  check "docs/schema.md" in_database documentation scripts/schema_doc.sh check
  check "examples in the documents" in_database documentation scripts/doc_examples.sh
}

# shellcheck disable=SC2016
client_tests() {
  holds e2e '*.test.mjs' || return 0
  export SIDECAR_LEASE_SECONDS=5 # a killed sidecar's jobs return when its lease ends
  "$ROOT/scripts/stack.sh" start "$STATE"
  set -a
  # shellcheck source=/dev/null
  source "$STATE/env"
  set +a
  STATE=$STATE run_tests "supabase-js" '^ℹ (tests|pass|fail)' '/^ℹ pass / { ok += $3 } /^ℹ (fail|cancelled) / { bad += $3 }' \
    node --test --test-reporter=spec --test-concurrency=1 tests/e2e/*.test.mjs
}

"$ROOT/scripts/prerequisites.sh" test
mkdir -p "$LOG"
DB_PORT=$(free_port)
API_PORT=$(free_port)
export DB_PORT API_PORT
# The stack under test talks to the stand-in, whoever's account the environment holds.
unset DECODO_USERNAME DECODO_PASSWORD SMARTPROXY_USERNAME SMARTPROXY_PASSWORD DEMO_FIXTURES

check "cargo fmt" cargo fmt --all -- --check -l
check "cargo clippy" cargo clippy --quiet --workspace --all-targets -- -D warnings
rust_tests
if "$ROOT/scripts/build.sh" extension && "$ROOT/scripts/build.sh" services; then
  "$ROOT/scripts/cluster.sh" start "$STATE" "$DB_PORT"
  "$ROOT/scripts/build.sh" install "$STATE"
  pgtap_tests
  install_tests
  golden_tests regress sql regress/pg_regress
  golden_tests isolation specs isolation/pg_isolation_regress
  documentation_tests
  client_tests
else
  failed=$((failed + 1))
fi

printf '\n%s passed, %s failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
