#!/usr/bin/env bash
# A filled system, dumped and restored into a new, empty cluster: the globals, then each format of pg_dump without further
# flags, then the rows alone into the restored schema. Speaks TAP; the connection is psql's (PGHOST, PGPORT, PGUSER,
# PGPASSWORD), to a cluster that has the extension, as a superuser.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib.sh
source "$here/../../scripts/lib.sh"
# shellcheck source=tests/install/tap.sh
source "$here/tap.sh"
work=$(mktemp -d "$DEV/restore-XXXXXX")
main=tap_filled_$$
unset PGDATABASE
export PGOPTIONS='-c client_min_messages=warning'
bin=$(psql -qAtX -d postgres -c "select setting from pg_config where name = 'BINDIR'")

# The new cluster is reached by its socket, without a password.
new_cluster() { (unset PGPASSWORD && PGHOST=$work/socket PGPORT=5432 PGUSER=postgres "$@"); }
clean_up() {
  as_server_user "$bin/pg_ctl" --pgdata="$work/data" --mode=immediate --silent stop
  psql -qX -d postgres -c "drop database if exists $main with (force)"
  rm -rf "$work"
} >/dev/null 2>&1
trap clean_up EXIT

chmod 755 "$work"
mkdir "$work/data" "$work/socket"
chmod 700 "$work/data"
touch "$work/log"
give_to_server_user "$work/data" "$work/socket" "$work/log"
ok 'a new cluster' as_server_user "$bin/initdb" --pgdata="$work/data" --username=postgres --auth=trust --encoding=UTF8 --locale=C.UTF-8
ok 'starts' as_server_user "$bin/pg_ctl" --pgdata="$work/data" --log="$work/log" --silent --wait start \
  --options="-c listen_addresses='' -c unix_socket_directories='$work/socket' -c port=5432 -c fsync=off"

sql postgres "create database $main" >/dev/null
sql "$main" 'create extension analytics_ext' 'select analytics.install()' >/dev/null
ok 'a system is filled' file "$main" populate.sql
file "$main" use.sql >/dev/null
file "$main" rows.sql >"$work/rows"
file "$main" catalogue.sql | LC_ALL=C sort >"$work/catalogue"
same 'its own checks hold' t "$(file "$main" checks.sql)"

# Everything but the roles of the cluster itself: its superuser is there already, with a password of its own.
ok 'the globals are dumped' pg_dumpall --globals-only --file="$work/globals.sql"
grep -vE '^(CREATE|ALTER) ROLE postgres\b' "$work/globals.sql" >"$work/roles.sql"
ok 'and restored' new_cluster psql -qX -v ON_ERROR_STOP=1 -d postgres -f "$work/roles.sql"

ok 'a custom dump' pg_dump --format=custom --file="$work/custom" "$main"
ok 'a directory dump by four jobs' pg_dump --format=directory --jobs=4 --file="$work/directory" "$main"
ok 'a plain dump' pg_dump --format=plain --file="$work/plain" "$main"
ok 'a dump of the schema' pg_dump --format=custom --schema-only --file="$work/schema" "$main"
ok 'a dump of the rows' pg_dump --format=custom --data-only --file="$work/data-only" "$main"

is_the_same() { # database
  ok "$1: every row is there" diff "$work/rows" <(new_cluster file "$1" rows.sql)
  ok "$1: policies, grants, triggers, defaults, functions and comments too" diff "$work/catalogue" <(new_cluster file "$1" catalogue.sql | sed "$2" | LC_ALL=C sort)
  same "$1: quotas, ledger and chain verify" t "$(new_cluster file "$1" checks.sql)"
}
for format in custom directory plain rows; do
  new_cluster sql postgres "create database $format" >/dev/null
done
ok 'custom: restored' new_cluster pg_restore --dbname=custom "$work/custom"
is_the_same custom ''
ok 'directory: restored by four jobs' new_cluster pg_restore --jobs=4 --dbname=directory "$work/directory"
is_the_same directory ''
ok 'plain: restored' new_cluster psql -qX -v ON_ERROR_STOP=1 -o /dev/null -d plain -f "$work/plain"
is_the_same plain ''
ok 'rows: the schema alone is restored' new_cluster pg_restore --dbname=rows "$work/schema"
ok 'rows: and the rows into it' new_cluster pg_restore --data-only --disable-triggers --dbname=rows "$work/data-only"
# Switched off for the load, PostgreSQL switches triggers on again as ordinary ones: install() makes them what they were.
is_the_same rows 's/^trigger O \(.*refuse_\(audit_change\|audit_removal\|ledger_change\)()\)$/trigger A \1/'
same 'installing into it repairs' repaired "$(new_cluster sql rows "select string_agg(distinct status, ' ') from analytics.install()")"
ok 'the triggers' diff "$work/catalogue" <(new_cluster file rows catalogue.sql | LC_ALL=C sort)
ok 'and changes no row' diff "$work/rows" <(new_cluster file rows rows.sql)
printf '1..%s\n' "$tests"
