# shellcheck shell=bash
# What the tests of this folder share: TAP, and psql without its ornaments. Sourced; sets `tests`; wants `here` and `work`.

tests=0
ok() { # description command…
  local description=$1
  shift
  tests=$((tests + 1))
  if "$@" >"$work/said" 2>&1; then
    printf 'ok %s - %s\n' "$tests" "$description"
  else
    printf 'not ok %s - %s\n' "$tests" "$description"
    head -n 30 "$work/said" | sed 's/^/# /'
  fi
}
same() { # description expected got
  ok "$1" diff <(printf '%s\n' "$2") <(printf '%s\n' "$3")
}
sql() { # database statement…
  local database=$1 statement
  shift
  for statement in "$@"; do
    psql -qAtX -v ON_ERROR_STOP=1 -d "$database" -c "$statement" || return
  done
}
file() { psql -qAtX -d "$1" -f "$here/$2"; }
