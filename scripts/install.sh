#!/usr/bin/env bash
# Builds the extension for the PostgreSQL of PG_CONFIG (default: the one on PATH), major version 15, 16 or 17.
#
#   install.sh            and installs it there, with sudo where the directories ask for it
#   install.sh package    and leaves its files below target/release
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cd "$ROOT"
"$ROOT/scripts/prerequisites.sh" build
pg_config=$(command -v "${PG_CONFIG:-pg_config}") || fail "there is no ${PG_CONFIG:-pg_config}; set PG_CONFIG"
[ -f "$("$pg_config" --includedir-server)/postgres.h" ] ||
  fail "the headers of $("$pg_config" --version) are missing; on Debian: apt-get install postgresql-server-dev-$PG_MAJOR (or its version)"
library=$("$pg_config" --pkglibdir)
extension=$("$pg_config" --sharedir)/extension
version=$("$pg_config" --version)
version=${version#PostgreSQL }
export PGRX_PG_CONFIG_PATH=$pg_config

if [ "${1:-}" = package ]; then
  step "packaging for PostgreSQL $version"
  cargo pgrx package --pg-config "$pg_config"
  step "the files are below $TARGET/release/analytics_ext-pg${version%%[!0-9]*}"
else
  step "installing into $library and $extension"
  sudo=()
  if [ ! -w "$library" ] || [ ! -w "$extension" ]; then
    sudo=(--sudo)
  fi
  cargo pgrx install --release --pg-config "$pg_config" "${sudo[@]}"
fi
