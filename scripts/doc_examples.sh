#!/usr/bin/env bash
# Runs the SQL of README.md and docs/*.md: every block fenced as ```sql, in order, each file in one transaction that is
# rolled back. Fails at the first statement that fails. libpq's environment names the database, which has the schema
# installed; the connection is a superuser's.
#
#   doc_examples.sh [-v] [file…]      -v shows statements and results
#
# The documents speak of two users, ada@example.com and eve@example.com; ada has unlocked the sample profiles
# aurora.example and tomas.example, and is the caller.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cd "$ROOT"

prelude() {
  cat <<'SQL'
begin;
insert into auth.users (id, email, raw_user_meta_data) values
  ('0195c3a0-0000-7000-8000-00000000000a', 'ada@example.com', '{"full_name": "Ada"}'),
  ('0195c3a0-0000-7000-8000-00000000000e', 'eve@example.com', '{}');
\set aurora `cat standin/samples/aurora.example_profile.json`
\set tomas `cat standin/samples/tomas.example_profile.json`
select analytics_private.ingest_instagram(p::json) from unnest(array[:'aurora', :'tomas']) as p \g /dev/null
set request.jwt.claims = '{"sub": "0195c3a0-0000-7000-8000-00000000000a", "role": "authenticated"}';
select analytics.unlock_profiles(array['aurora.example', 'tomas.example']) \g /dev/null
SQL
}

# The lines of the blocks. Blank lines take the place of all others, so that psql's line numbers are the file's.
blocks() { # file
  awk '/^```/ { inside = ($0 == "```sql"); print ""; next } { print inside ? $0 : "" }' "$1"
}

verbose=
if [ "${1:-}" = -v ]; then
  verbose=1
  shift
fi
files=("$@")
if [ ${#files[@]} -eq 0 ]; then
  mapfile -t files < <(printf '%s\n' README.md docs/*.md | grep -vx docs/schema.md)
fi
script=$(mktemp)
trap 'rm -f "$script"' EXIT
for file in "${files[@]}"; do
  printf '%s: %s examples\n' "$file" "$(grep -cx '```sql' "$file" || true)"
  blocks "$file" >"$script"
  if [ -n "$verbose" ]; then
    { prelude && printf '\\set ECHO all\n\\i %s\nrollback;\n' "$script"; } | psql -X -q -v ON_ERROR_STOP=1
  else
    { prelude && printf '\\i %s\nrollback;\n' "$script"; } | psql -X -q -v ON_ERROR_STOP=1 >/dev/null
  fi
done
