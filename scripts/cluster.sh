#!/usr/bin/env bash
# A private PostgreSQL cluster.
#
#   cluster.sh copy              make .dev/pg15, a relocated copy of the installed server's files
#   cluster.sh start STATE PORT  start STATE/data with STATE/server on 127.0.0.1:PORT; creates both when they are missing
#   cluster.sh database STATE PORT NAME EXTENSION…   a new database with our schema installed, and other extensions
#   cluster.sh stop STATE
#
# Extension files can only be installed into the server's own share directory (PostgreSQL 15 knows no other), so the
# installed server is copied and never changed. Each STATE has its own tree of hard links to that copy: installing an
# extension for one cannot change the library under the backends of another.
#
# PG_PRELOAD: the server's shared_preload_libraries; pg_stat_statements, as on Supabase, if it is not set.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

PG_COPY=$DEV/pg$PG_MAJOR

copy_server() {
  local stamp
  # The directories' times tell when an extension of the distribution (pgTAP, say) came or went.
  stamp=$("$PG_LIB/bin/postgres" --version; stat -c %Y "$PG_LIB/lib" "$PG_SHARE/extension")
  if [ "$(cat "$PG_COPY/stamp" 2>/dev/null)" != "$stamp" ]; then
    step "copying the server's files to .dev/pg$PG_MAJOR"
    rm -rf "$PG_COPY"
    mkdir -p "$PG_COPY$PG_LIB" "$PG_COPY$PG_SHARE"
    cp -a "$PG_LIB/bin" "$PG_LIB/lib" "$PG_COPY$PG_LIB/"
    cp -aL "$PG_SHARE/." "$PG_COPY$PG_SHARE/"
    printf '%s\n' "$stamp" >"$PG_COPY/stamp"
  fi
}

link_server() { # state
  local server=$1/server
  if ! cmp -s "$PG_COPY/stamp" "$server/stamp"; then
    rm -rf "$server"
    cp -al "$PG_COPY" "$server"
  fi
  [ "$("$(server_bin "$1")/pg_config" --sharedir)" = "$server$PG_SHARE" ] ||
    fail "the copied server does not look for its files below $server"
}

create_cluster() { # state
  local state=$1
  step "creating a database cluster in ${state#"$ROOT"/}"
  mkdir -p "$state/data" "$state/socket"
  chmod 700 "$state/data"
  (umask 077 && random_secret >"$state/superuser")
  cp -p "$state/superuser" "$state/initdb-password"
  give_to_server_user "$state/data" "$state/socket" "$state/initdb-password"
  as_server_user "$(server_bin "$state")/initdb" --pgdata="$state/data" --username=postgres --auth=scram-sha-256 \
    --pwfile="$state/initdb-password" --encoding=UTF8 --locale=C.UTF-8 >"$state/log/initdb.log"
  rm "$state/initdb-password"
}

# The longest path a Unix socket address takes is 107 bytes; past that the server listens on TCP alone.
socket_directory() { # state port
  local socket=$1/socket/.s.PGSQL.$2
  if [ ${#socket} -le 107 ]; then
    printf '%s\n' "$1/socket"
  fi
}

start_cluster() { # state port
  local state=$1 port=$2
  copy_server
  mkdir -p "$state/log"
  if as_server_user test -s "$state/data/postmaster.pid" &&
    as_server_user "$(server_bin "$state")/pg_ctl" --pgdata="$state/data" status >/dev/null; then
    return
  fi
  link_server "$state"
  if [ -f "$state/initdb-password" ]; then # initdb was interrupted: what it left is no cluster
    rm -rf "$state/data" "$state/initdb-password"
  fi
  [ -d "$state/data" ] || create_cluster "$state"
  port_is_free "$port" || fail "port $port is taken; set DB_PORT to another"
  (umask 077 && touch "$state/log/postgresql.log")
  give_to_server_user "$state/log/postgresql.log"
  RUST_BACKTRACE=0 as_server_user "$(server_bin "$state")/pg_ctl" --pgdata="$state/data" --log="$state/log/postgresql.log" --silent --wait start \
    --options="-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories='$(socket_directory "$state" "$port")' \
      -c shared_preload_libraries='${PG_PRELOAD-pg_stat_statements}' -c timezone=UTC -c log_timezone=UTC -c log_line_prefix='%m [%p] %u@%d '" || {
    tail -n 20 "$state/log/postgresql.log" >&2
    fail "PostgreSQL did not start; its last words are above"
  }
}

create_database() { # state port name extension…
  local state=$1 port=$2 name=$3 extension
  shift 3
  local -x PGOPTIONS='-c client_min_messages=warning'
  local psql=("$(server_bin "$state")/psql" -X -q -v ON_ERROR_STOP=1 -o /dev/null)
  "${psql[@]}" -c "drop database if exists $name" -c "create database $name" "$(database_url "$state" "$port" postgres)"
  for extension in "$@" analytics_ext; do
    "${psql[@]}" -c "create extension $extension" "$(database_url "$state" "$port" "$name")"
  done
  "${psql[@]}" -c 'select * from analytics.install()' "$(database_url "$state" "$port" "$name")"
}

stop_cluster() { # state
  local state=$1
  if as_server_user test -s "$state/data/postmaster.pid"; then
    as_server_user "$(server_bin "$state")/pg_ctl" --pgdata="$state/data" --mode=fast --silent --wait stop || true
  fi
}

case ${1:-} in
  copy) copy_server ;;
  start) start_cluster "$2" "$3" ;;
  database) create_database "${@:2}" ;;
  stop) stop_cluster "$2" ;;
  *) fail "usage: cluster.sh copy | start STATE PORT | database STATE PORT NAME EXTENSION… | stop STATE" ;;
esac
