#!/usr/bin/env bash
# The chain under 64 writers with aborts and savepoints, two sealers, a killed backend and a crash of the server; then a
# dump. Speaks TAP. On a cluster of its own, made with the programs of the server that psql finds (a superuser on this host).
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/install/tap.sh
source "$here/tap.sh"
work=$(mktemp -d /tmp/audit_tap_XXXXXX)
bin=$(psql -qAtX -d postgres -c "select setting from pg_config where name = 'BINDIR'")
server_user=$(stat -c %U "$(psql -qAtX -d postgres -c 'show data_directory')")
unset PGDATABASE PGHOST PGPORT PGUSER PGPASSWORD
export PGOPTIONS='-c client_min_messages=warning' PGHOST=$work/run PGUSER=postgres PGPORT=5432

as_server() { if [ "$(id -un)" = "$server_user" ]; then "$@"; else runuser -u "$server_user" -- "$@"; fi; }
server() { as_server "$bin/pg_ctl" --pgdata="$work/data" --silent --wait --log="$work/run/log" "$@" >/dev/null; }
clean_up() {
  server stop --mode=immediate
  rm -rf "$work"
} 2>/dev/null
trap clean_up EXIT
mkdir "$work/data" "$work/run"
chmod 711 "$work" && chmod 700 "$work/data"
[ "$(id -un)" = "$server_user" ] || chown "$server_user": "$work/data" "$work/run"
as_server "$bin/initdb" --pgdata="$work/data" --username=postgres --auth=trust --encoding=UTF8 --locale=C.UTF-8 >/dev/null
start() { server start --options="-c listen_addresses='' -c unix_socket_directories='$work/run' -p 5432 -c max_connections=100 -c max_prepared_transactions=10"; }

ok 'a cluster starts' start
sql postgres 'create database audit' && sql audit 'create extension analytics_ext' 'select * from analytics.install()' >/dev/null
sql audit "insert into auth.users (id, email) select gen_random_uuid(), 'user' || n || '@example.com' from generate_series(0, 7) n" \
  'create table public.spaces as select row_number() over (order by id) - 1 as n, id from analytics.workspaces' \
  'create table analytics.things (workspace_id uuid not null, id uuid primary key default gen_random_uuid(), name text)' \
  'alter table analytics.things owner to analytics_owner' \
  "begin; set local role analytics_owner; select analytics_private.audit_changes('analytics.things', 'thing'); commit" >/dev/null
cat >"$work/write.pgbench" <<'PGBENCH'
\set space random(0, 7)
\set fate random(1, 10)
begin;
insert into analytics.things (workspace_id, name) select id, 'one' from public.spaces where n = :space;
savepoint a;
insert into analytics.things (workspace_id, name) select id, 'two' from public.spaces where n = :space;
\if :fate > 7
rollback to savepoint a;
\endif
update analytics.things set name = 'three' where id = (select id from analytics.things limit 1 for update skip locked);
\if :fate = 1
rollback;
\else
commit;
\endif
PGBENCH
chmod 644 "$work/write.pgbench"
write() { # seconds
  "$bin/pgbench" --no-vacuum --client=64 --jobs=2 --time="$1" --file="$work/write.pgbench" audit >>"$work/pgbench.log" 2>&1
}
seal() { until [ -e "$work/stop" ]; do sql audit 'select analytics_private.seal_audit()' >/dev/null 2>&1; sleep 0.05; done; }

seal & sealers=$!
seal & sealers="$sealers $!"
write 4 & writers=$!
sleep 2
kill -9 "$(sql audit "select pid from pg_stat_activity where application_name = 'pgbench' limit 1")"
wait "$writers"
for _ in $(seq 50); do sql audit 'select 1' >/dev/null 2>&1 && break; sleep 0.1; done
write 4 & writers=$!
sleep 2
server stop --mode=immediate
wait "$writers"
ok 'the server comes back after a crash' start
write 2
sql audit 'begin; insert into analytics.things (workspace_id, name) select id, $$prepared$$ from public.spaces where n = 0; prepare transaction $$p$$'
touch "$work/stop"
# shellcheck disable=SC2086 # a list of ids
wait $sealers
sql audit 'select analytics_private.seal_audit()' 'select analytics_private.seal_audit()' "commit prepared 'p'" >/dev/null
while [ "$(sql audit 'select analytics_private.seal_audit()')" != 0 ]; do :; done

cmp_ok() { [ "$1" -gt "$2" ]; }
ok 'records were written' cmp_ok "$(sql audit 'select count(*) from analytics.audit_logs')" 500
ok 'and sealed in many segments' cmp_ok "$(sql audit 'select count(*) from analytics_private.audit_segments')" 20
same 'nothing waits' 0 "$(sql audit 'select count(*) from analytics_private.audit_pending')"
same 'every workspace verifies' '8 true 0' "$(sql audit "select count(*) || ' ' || bool_and((v ->> 'ok')::boolean) || ' ' || sum((v ->> 'unsealed')::bigint) from public.spaces s, analytics.verify_audit(s.id) v")"
same 'every record is sealed' "$(sql audit 'select count(*) from analytics.audit_logs')" "$(sql audit 'select sum(total) from analytics_private.audit_heads')"
same 'every row that is there has its record, and no other' 0 "$(sql audit "
  select count(*) from analytics.things t full join (select l.entity_id, l.workspace_id from analytics.audit_logs l where l.action = 'thing.created') c on c.entity_id = t.id and c.workspace_id = t.workspace_id
  where t.id is null or c.entity_id is null")"
same 'no chain has a gap' 0 "$(sql audit 'select count(*) from (select chain, count(*), max(number) from analytics_private.audit_segments group by chain having count(*) <> max(number)) x')"

# A dump into another database ---------------------------------------------------------------------------------------------

heads="select string_agg((analytics.verify_audit(s.id) - 'x')::text, ' ' order by s.n) from public.spaces s"
ok 'a dump is made' "$bin/pg_dump" --format=custom --file="$work/dump" audit
sql postgres 'create database restored'
ok 'and restored' "$bin/pg_restore" --exit-on-error --dbname=restored "$work/dump"
same 'where every workspace verifies with the same head' "$(sql audit "$heads")" "$(sql restored "set timezone = 'Asia/Tokyo'; $heads")"
printf '1..%s\n' "$tests"
