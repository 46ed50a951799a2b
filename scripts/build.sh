#!/usr/bin/env bash
# Builds what the stack runs.
#
#   build.sh extension        release build, as a package below target/release/analytics_ext-pg15
#   build.sh services         the sidecar and the stand-in, debug build: shared with their tests
#   build.sh install STATE    puts the built extension into the server files of STATE
#   build.sh is-installed STATE
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cd "$ROOT"
case ${1:-} in
  extension)
    step "building the extension"
    cargo pgrx package --pg-config "$PGRX_PG_CONFIG_PATH"
    # What a database is made from: the order of generated statements is not fixed, their comments name lines.
    cat sql/*.sql "$PACKAGE$PG_SHARE"/extension/*.sql | grep -v '^ *\(--\|/\*\)' | sort | sha256sum >"$PACKAGE/schema"
    ;;
  services)
    step "building the sidecar and the stand-in"
    cargo build --package analytics_sidecar --package analytics_standin
    ;;
  install)
    # Files are replaced, not written over: a backend that runs keeps the library it has mapped.
    cp -r --remove-destination "$PACKAGE/usr" "$2/server/"
    ;;
  is-installed) cmp -s "$PACKAGE$PG_LIB/lib/analytics_ext.so" "$2/server$PG_LIB/lib/analytics_ext.so" ;;
  *) fail "usage: build.sh extension | services | install STATE | is-installed STATE" ;;
esac
