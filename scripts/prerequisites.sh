#!/usr/bin/env bash
# Installs what is missing to build and run the stack: Debian packages, cargo-pgrx (into .dev/tools), npm packages.
#
#   prerequisites.sh build|stack|test|bench   build: what compiles the extension; stack: and what runs it; the others: and
#                                             what they compare with
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

purpose=${1:-}
case $purpose in
  build | stack | test | bench) ;;
  *) fail "usage: prerequisites.sh build | stack | test | bench" ;;
esac
extensions=$PG_SHARE/extension

has_libclang() {
  [ -n "${LIBCLANG_PATH:-}" ] || compgen -G '/usr/lib/llvm-*/lib/libclang*.so*' >/dev/null ||
    ldconfig -p 2>/dev/null | grep libclang >/dev/null
}

has_cargo_pgrx() { [ "$(cargo pgrx --version 2>/dev/null)" = "cargo-pgrx $PGRX_VERSION" ]; }

# Each line: a package, and what shows that it is there.
missing_packages() {
  have cc || echo build-essential
  # cargo-pgrx downloads through OpenSSL.
  has_cargo_pgrx || [ -f /usr/include/openssl/ssl.h ] || echo libssl-dev
  has_cargo_pgrx || have pkg-config || echo pkg-config
  has_libclang || echo libclang-dev
  # What only builds takes the PostgreSQL it is pointed at, whatever its version.
  if [ "$purpose" != build ] || ! have "${PG_CONFIG:-pg_config}"; then
    [ -x "$PG_LIB/bin/postgres" ] || echo "postgresql-$PG_MAJOR"
    [ -f "/usr/include/postgresql/$PG_MAJOR/server/postgres.h" ] || echo "postgresql-server-dev-$PG_MAJOR"
  fi
  if [ "$purpose" = test ]; then
    [ -f "$extensions/pgtap.control" ] || echo "postgresql-$PG_MAJOR-pgtap"
    [ -f "$extensions/plpgsql_check.control" ] || echo "postgresql-$PG_MAJOR-plpgsql-check"
    have pg_prove || echo libtap-parser-sourcehandler-pgtap-perl
    # What pages are looked at with, and a font to see them in.
    [ -n "${CHROMIUM:-}" ] || have chromium || echo chromium
    compgen -G '/usr/share/fonts/*/*' >/dev/null || echo fonts-dejavu-core
  fi
  if [ "$purpose" = bench ]; then
    python3 -c 'import ensurepip' 2>/dev/null || echo python3-venv
  fi
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  else
    sudo -n "$@"
  fi
}

apt_install() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" </dev/null >>"$DEV/apt.log" || {
    tail -n 30 "$DEV/apt.log" >&2
    fail "apt-get could not install $*"
  }
}

# Debian's server package makes and starts a cluster "main" of its own. A drop-in tells it not to, for as long as the
# installation takes; clusters that exist are left alone by the package itself.
CLUSTER_OPTIONS=/etc/postgresql-common/createcluster.d

install_without_cluster() {
  apt_install postgresql-common
  as_root mkdir -p "$CLUSTER_OPTIONS"
  trap remove_drop_in EXIT
  printf 'create_main_cluster = false\n' | as_root tee "$CLUSTER_OPTIONS/no-main-cluster.conf" >/dev/null
  apt_install "$@"
}

remove_drop_in() {
  as_root rm -f "$CLUSTER_OPTIONS/no-main-cluster.conf"
  as_root rmdir --ignore-fail-on-non-empty "$CLUSTER_OPTIONS"
}

install_packages() {
  local packages
  mapfile -t packages < <(missing_packages)
  [ ${#packages[@]} -gt 0 ] || return 0
  have apt-get || fail "this machine has no apt-get; install what Debian calls: ${packages[*]}"
  if [ "$(id -u)" -ne 0 ] && ! { have sudo && sudo -n true 2>/dev/null; }; then
    fail "packages are missing and neither root nor passwordless sudo is there; run: apt-get install ${packages[*]}"
  fi
  step "installing ${packages[*]} (apt-get; its output is in .dev/apt.log)"
  as_root apt-get update -qq
  if [[ " ${packages[*]} " == *" postgresql-$PG_MAJOR "* ]]; then
    install_without_cluster "${packages[@]}"
  else
    apt_install "${packages[@]}"
  fi
}

install_cargo_pgrx() {
  if ! has_cargo_pgrx; then
    step "building cargo-pgrx $PGRX_VERSION (a few minutes, once)"
    cargo install cargo-pgrx --version "$PGRX_VERSION" --locked --root "$DEV/tools"
  fi
  mkdir -p "$PGRX_HOME"
  # pgrx's build script watches this file; while it is missing, everything is built anew each time.
  [ -f "$PGRX_HOME/config.toml" ] || printf '[configs]\npg%s = "%s"\n' "$PG_MAJOR" "$PGRX_PG_CONFIG_PATH" >"$PGRX_HOME/config.toml"
}

install_npm_packages() {
  if ! cmp -s "$ROOT/package-lock.json" "$ROOT/node_modules/.installed-lock.json"; then
    step "installing npm packages"
    (cd "$ROOT" && npm ci --no-audit --no-fund --loglevel=error </dev/null)
    cp "$ROOT/package-lock.json" "$ROOT/node_modules/.installed-lock.json"
  fi
}

have cargo || fail "a Rust toolchain (1.95 or later) is needed: https://rustup.rs"
mkdir -p "$DEV"
install_packages
install_cargo_pgrx
if [ "$purpose" != build ]; then
  [ "$(node -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0)" -ge 20 ] || fail "Node.js 20 or later is needed"
  install_npm_packages
  "$ROOT/scripts/cluster.sh" copy
fi
