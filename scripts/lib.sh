# shellcheck shell=bash disable=SC2034
# Names and functions the scripts share. Sourced, never run.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
DEV=$ROOT/.dev
TARGET=${CARGO_TARGET_DIR:-$ROOT/target}
PG_MAJOR=15
# Debian's places; a state's own server files have the same layout below STATE/server.
PG_LIB=/usr/lib/postgresql/$PG_MAJOR
PG_SHARE=/usr/share/postgresql/$PG_MAJOR
# What build.sh makes: the extension's files below usr/, as in Debian's layout.
PACKAGE=$TARGET/release/analytics_ext-pg$PG_MAJOR
# The newest pgrx that builds with Rust 1.95; must equal the pgrx version in Cargo.toml.
PGRX_VERSION=0.18.1

export PATH=$DEV/tools/bin:$PATH
export PGRX_HOME=$DEV/pgrx
export PGRX_PG_CONFIG_PATH=$PG_LIB/bin/pg_config

step() { printf '==> %s\n' "$*"; }

fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# A TCP port nobody listens on. Another process may take it before we do; the caller's start then fails and says so.
free_port() {
  node -e 'const s = require("node:net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })'
}

port_is_free() {
  node -e 'const s = require("node:net").createServer().on("error", () => process.exit(1)).listen(+process.argv[1], "127.0.0.1", () => s.close())' "$1"
}

# 256 bits, hexadecimal: safe in a URL, a connection string and SQL.
random_secret() { node -p 'require("node:crypto").randomBytes(32).toString("hex")'; }

# Clock ticks after boot at which a process started: tells our process from a later one with the same number.
started_at() {
  local line fields
  line=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  read -ra fields <<<"${line##*) }" # what follows the name, which may hold blanks
  # A zombie has ended; where nobody collects it (a container without an init) it stays.
  [ "${fields[0]}" != Z ] && printf '%s\n' "${fields[19]}"
}

is_running() { # pid-file
  local pid ticks
  [ -f "$1" ] || return 1
  read -r pid ticks <"$1" || return 1
  [ "$(started_at "$pid")" = "$ticks" ]
}

# Leaves a process running after this script, in a session of its own.
start_process() { # pid-file log-file command…
  local pid_file=$1 log=$2 pid
  shift 2
  (umask 077 && touch "$log") # it may tell keys and what people looked for
  setsid "$@" >>"$log" 2>&1 </dev/null &
  pid=$!
  printf '%s %s\n' "$pid" "$(started_at "$pid")" >"$pid_file"
}

stop_process() { # pid-file
  local pid
  if is_running "$1"; then
    read -r pid _ <"$1"
    kill -TERM "$pid" 2>/dev/null || true
    for _ in $(seq 500); do
      is_running "$1" || break
      sleep 0.1
    done
    if is_running "$1"; then
      kill -KILL "$pid" 2>/dev/null || true
    fi
  fi
  rm -f "$1"
}

# Waits until a command succeeds; gives up when the process dies or the time is over.
wait_for() { # seconds pid-file log-file what command…
  local seconds=$1 pid_file=$2 log=$3 what=$4
  shift 4
  for _ in $(seq $((seconds * 10))); do
    "$@" >/dev/null 2>&1 && return 0
    is_running "$pid_file" || break
    sleep 0.1
  done
  tail -n 20 "$log" >&2 || true
  fail "$what did not start; its last words are above, all of them in $log"
}

# The programs of one state's own server files.
server_bin() { printf '%s\n' "$1/server$PG_LIB/bin"; }

# Where the superuser finds a database of a state.
database_url() { # state port database
  printf 'postgresql://postgres:%s@127.0.0.1:%s/%s\n' "$(cat "$1/superuser")" "$2" "$3"
}

SERVER_USER=postgres

# PostgreSQL refuses to run as root, so root hands over to the account of Debian's package.
as_server_user() { # command…
  local closed
  if [ "$(id -u)" -ne 0 ]; then
    "$@"
    return
  fi
  closed=$(first_closed_directory)
  if [ -z "$closed" ]; then
    runuser -u "$SERVER_USER" -- "$@"
  else
    with_way_to_clone "$closed" runuser -u "$SERVER_USER" -- "$@"
  fi
}

# The uppermost directory on the way to .dev that the server's account may not pass; none, mostly.
first_closed_directory() {
  local directory='' part parts
  IFS=/ read -ra parts <<<"${DEV#/}"
  for part in "${parts[@]}"; do
    directory+=/$part
    if ! runuser -u "$SERVER_USER" -- test -x "$directory"; then
      printf '%s\n' "$directory"
      return
    fi
  done
}

# Runs a command for which an empty directory stands in the place of a closed one (/root, say), with nothing but .dev
# below it. Only the command and what it starts see that: no permission changes.
with_way_to_clone() { # closed-directory command…
  unshare --mount true 2>/dev/null ||
    fail "user $SERVER_USER cannot pass $1, and the server cannot run as root: open that directory (chmod o+x) or clone elsewhere"
  # shellcheck disable=SC2016 # its own parameters
  unshare --mount bash -c '
    set -e
    umask 022
    cd "$1"
    mount -t tmpfs -o mode=755,size=1m way "$2"
    mkdir -p "$1"
    mount --no-canonicalize --bind . "$1"
    cd "$1"
    shift 2
    exec "$@"' bash "$DEV" "$@"
}

give_to_server_user() {
  if [ "$(id -u)" -eq 0 ]; then
    chown "$SERVER_USER:" "$@"
  fi
}

# States of runs that were killed before they could clean up.
remove_abandoned_states() { # name
  local state
  for state in "$DEV/$1"-*; do
    if [ -d "$state" ] && [ ! -e "/proc/${state##*-}" ]; then
      "$ROOT/scripts/stack.sh" remove "$state"
    fi
  done
}
