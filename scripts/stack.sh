#!/usr/bin/env bash
# The whole stack of one STATE directory: database with the schema, REST and sign-up server, stand-in, sidecar.
#
#   stack.sh up [STATE]      installs and builds what is missing, then start; default STATE: .dev
#   stack.sh start [STATE]   starts what does not run yet and leaves it running
#   stack.sh sidecar STATE   starts the sidecar alone, where the rest runs and it was killed
#   stack.sh down [STATE]    stops it; the data stay
#   stack.sh remove STATE    stops it and deletes the data
#
# API_PORT (54321) and DB_PORT (54322) choose the ports. With DECODO_USERNAME and DECODO_PASSWORD (or SMARTPROXY_…) the
# sidecar talks to Decodo itself and there is no stand-in. STATE/env tells where everything is.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

command=${1:-}
STATE=$(realpath -m "${2:-$DEV}")
RUN=$STATE/run
LOG=$STATE/log
DB_PORT=${DB_PORT:-54322}
API_PORT=${API_PORT:-54321}
WEBHOOK_URL=
OAUTH_URL=
SIDECAR_URL=

decodo_is_set() { [ -n "${DECODO_USERNAME:-}${SMARTPROXY_USERNAME:-}" ]; }

# Signed with JWT_SECRET, as `supabase start` makes them; ten years, for a stack on loopback.
api_key() { # role secret
  node - "$@" <<'JS'
const { createHmac } = require("node:crypto");
const [role, secret] = process.argv.slice(2);
const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
const issued = Math.floor(Date.now() / 1000);
const body = `${part({ alg: "HS256", typ: "JWT" })}.${part({ iss: "supabase", role, iat: issued, exp: issued + 315360000 })}`;
console.log(`${body}.${createHmac("sha256", secret).update(body).digest("base64url")}`);
JS
}

# Made once, with the data: signed-up users and their tokens outlive a restart.
read_secrets() {
  local file=$STATE/secrets
  if [ ! -f "$file" ]; then
    local jwt
    jwt=$(random_secret)
    (
      umask 077
      cat >"$file" <<EOF
AUTHENTICATOR_PASSWORD=$(random_secret)
SIDECAR_PASSWORD=$(random_secret)
JWT_SECRET=$jwt
ANON_KEY=$(api_key anon "$jwt")
SERVICE_ROLE_KEY=$(api_key service_role "$jwt")
EOF
    )
  fi
  # A state made by an earlier version has none of these yet.
  if ! grep -q '^WEBHOOK_SECRET=' "$file"; then
    printf 'WEBHOOK_SECRET=whsec_%s\nAUDIT_SIGNING_KEY=%s\n' "$(random_secret)" "$(random_secret)" >>"$file"
  fi
  if ! grep -q '^TOKEN_KEYS=' "$file"; then
    printf 'TOKEN_KEYS=%s\n' "$(node -p 'require("node:crypto").randomBytes(32).toString("base64url") + "="')" >>"$file"
  fi
  # shellcheck source=/dev/null
  source "$file"
  SIDECAR_DATABASE_URL=postgres://analytics_sidecar:$SIDECAR_PASSWORD@127.0.0.1:$DB_PORT/postgres
}

superuser_psql() {
  "$(server_bin "$STATE")/psql" -X -q -v ON_ERROR_STOP=1 "$@" "$(database_url "$STATE" "$DB_PORT" postgres)"
}

# The server's roles as on Supabase, and the login of the REST server. It owns schema auth, where it keeps the accounts,
# and may read the catalogues through pg_read_all_data; it owns nothing else, because it grants away all it can.
prepare_database() {
  superuser_psql -v password="$AUTHENTICATOR_PASSWORD" <<'SQL'
select format('create role %I nologin', r) from unnest(array['anon', 'authenticated']) as r
  where not exists (select from pg_roles where rolname = r) \gexec
select 'create role service_role nologin bypassrls' where not exists (select from pg_roles where rolname = 'service_role') \gexec
select 'create role authenticator login inherit' where not exists (select from pg_roles where rolname = 'authenticator') \gexec
alter role authenticator password :'password';
set client_min_messages = warning;
grant anon, authenticated, service_role, pg_read_all_data to authenticator;
grant create on database postgres to authenticator;
create schema if not exists auth authorization authenticator;
grant usage on schema auth to anon, authenticated, service_role;
SQL
}

start_rest_server() {
  mkdir -p "$STATE/supabase"
  (
    umask 077
    cat >"$STATE/supabase/config.toml" <<EOF
project_id = "analytics_ext"
[api]
port = $API_PORT
schemas = ["public", "analytics"]
extra_search_path = ["public", "extensions"]
max_rows = 1000
[db]
driver = "postgres"
url = "postgres://authenticator:$AUTHENTICATOR_PASSWORD@127.0.0.1:$DB_PORT/postgres"
[auth]
enabled = true
jwt_secret = "$JWT_SECRET"
jwt_expiry = 3600
enable_signup = true
publishable_key = "$ANON_KEY"
secret_key = "$SERVICE_ROLE_KEY"
[auth.email]
enable_confirmations = false
EOF
  )
  port_is_free "$API_PORT" || fail "port $API_PORT is taken; set API_PORT to another"
  # --no-admin: otherwise a request without a key would run as service_role.
  (
    cd "$STATE"
    LITE_TELEMETRY=0 DO_NOT_TRACK=1 start_process "$RUN/rest.pid" "$LOG/rest.log" \
      node "$ROOT/node_modules/@supabase/lite/dist/cli/index.js" start --no-admin
  )
  # Its last table, made before it listens. The first request to /rest would make it read the schema, once and for all:
  # too early.
  wait_for 30 "$RUN/rest.pid" "$LOG/rest.log" "the REST server" rest_server_is_ready
}

rest_server_is_ready() {
  [ "$(superuser_psql -At -c "select to_regclass('auth.audit_log_entries') is not null")" = t ] && ! port_is_free "$API_PORT"
}

install_schema() {
  superuser_psql -v ON_ERROR_STOP=1 -c "set client_min_messages = warning" -c "create extension if not exists analytics_ext" \
    -o /dev/null -c "select * from analytics.install()"
  superuser_psql -v password="$SIDECAR_PASSWORD" <<<"alter role analytics_sidecar login password :'password';"
}

start_standin() {
  STANDIN_URL=http://127.0.0.1:$(free_port)
  STANDIN_PORT=${STANDIN_URL##*:} start_process "$RUN/standin.pid" "$LOG/standin.log" "$TARGET/debug/analytics_standin"
  wait_for 10 "$RUN/standin.pid" "$LOG/standin.log" "the stand-in" answers "$STANDIN_URL/catalog"
}

# Where others send to stays where it was, if it can.
same_address() { # url
  local address=${1#http://}
  address=${address%%/*}
  if [ -z "$address" ] || ! port_is_free "${address##*:}"; then
    address=127.0.0.1:$(free_port)
  fi
  printf '%s\n' "$address"
}

start_sidecar() {
  SIDECAR_URL=http://$(same_address "$SIDECAR_URL")
  local webhook_address oauth_address provider
  webhook_address=$(same_address "$WEBHOOK_URL")
  WEBHOOK_URL=http://$webhook_address/webhooks/stripe
  oauth_address=$(same_address "$OAUTH_URL")
  OAUTH_URL=http://$oauth_address
  if ! decodo_is_set; then
    export DECODO_URL=$STANDIN_URL DECODO_USERNAME=demo DECODO_PASSWORD=demo OAUTH_BASE_URL=$STANDIN_URL
    for provider in GOOGLE FACEBOOK INSTAGRAM TIKTOK LINKEDIN X; do
      export "${provider}_CLIENT_ID=standin-client" "${provider}_CLIENT_SECRET=standin-secret"
    done
    export X_WEBHOOK_SECRETS=standin-secret YOUTUBE_WEBHOOK_SECRETS=standin-older-secret,standin-secret
    for provider in FACEBOOK INSTAGRAM YOUTUBE; do
      export "${provider}_WEBHOOK_VERIFY_TOKEN=standin-verify-token"
    done
  fi
  superuser_psql -o /dev/null -c "select analytics_private.set_setting('oauth_public_url', '$OAUTH_URL')"
  DATABASE_URL=$SIDECAR_DATABASE_URL \
    STRIPE_WEBHOOK_SECRETS=$WEBHOOK_SECRET AUDIT_SIGNING_KEY=$AUDIT_SIGNING_KEY AUDIT_CHECKPOINT_FILE=$STATE/checkpoints.jsonl \
    TOKEN_KEYS=$TOKEN_KEYS OAUTH_PUBLIC_URL=$OAUTH_URL SIDECAR_OAUTH_LISTEN=$oauth_address \
    SIDECAR_WEBHOOK_LISTEN=$webhook_address WEBHOOK_PUBLIC_URL=http://$webhook_address SIDECAR_LISTEN=${SIDECAR_URL#http://} \
    start_process "$RUN/sidecar.pid" "$LOG/sidecar.log" "$TARGET/debug/analytics-sidecar"
  wait_for 15 "$RUN/sidecar.pid" "$LOG/sidecar.log" "the sidecar" answers "$SIDECAR_URL/readyz"
}

answers() { # url
  node -e 'fetch(process.argv[1]).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))' "$1"
}

write_env() {
  (
    umask 077
    cat >"$STATE/env" <<EOF
API_URL="http://127.0.0.1:$API_PORT"
DB_URL="$(database_url "$STATE" "$DB_PORT" postgres)"
ANON_KEY="$ANON_KEY"
SERVICE_ROLE_KEY="$SERVICE_ROLE_KEY"
JWT_SECRET="$JWT_SECRET"
SIDECAR_URL="$SIDECAR_URL"
SIDECAR_PROGRAM="$TARGET/debug/analytics-sidecar"
SIDECAR_DATABASE_URL="$SIDECAR_DATABASE_URL"
WEBHOOK_URL="$WEBHOOK_URL"
WEBHOOK_SECRET="$WEBHOOK_SECRET"
OAUTH_URL="$OAUTH_URL"
TOKEN_KEYS="$TOKEN_KEYS"
STANDIN_URL="${STANDIN_URL:-}"
EOF
  )
}

# A service runs as long as its program is not older than the process.
is_current() { # service program
  is_running "$RUN/$1.pid" && [ ! "$2" -nt "$RUN/$1.pid" ]
}

# Where services were started, for those that still run.
read_addresses() {
  if [ -f "$STATE/env" ]; then
    STANDIN_URL=$(sed -n 's/^STANDIN_URL="\(.*\)"$/\1/p' "$STATE/env")
    SIDECAR_URL=$(sed -n 's/^SIDECAR_URL="\(.*\)"$/\1/p' "$STATE/env")
    WEBHOOK_URL=$(sed -n 's/^WEBHOOK_URL="\(.*\)"$/\1/p' "$STATE/env")
    OAUTH_URL=$(sed -n 's/^OAUTH_URL="\(.*\)"$/\1/p' "$STATE/env")
  fi
}

start_services() {
  read_addresses
  if ! is_running "$RUN/rest.pid"; then
    step "starting the REST server"
    start_rest_server
  fi
  install_schema
  if decodo_is_set; then
    if [ -n "${STANDIN_URL:-}" ]; then # the sidecar still talks to the stand-in
      stop_process "$RUN/sidecar.pid"
      stop_process "$RUN/standin.pid"
      STANDIN_URL=
    fi
  elif ! is_current standin "$TARGET/debug/analytics_standin"; then
    step "starting the Decodo stand-in"
    stop_process "$RUN/sidecar.pid"
    stop_process "$RUN/standin.pid"
    start_standin
  fi
  if ! is_current sidecar "$TARGET/debug/analytics-sidecar"; then
    step "starting the sidecar"
    stop_process "$RUN/sidecar.pid"
    start_sidecar
  fi
  write_env
}

start() {
  mkdir -p "$RUN" "$LOG"
  if [ -f "$STATE/schema" ] && ! cmp -s "$PACKAGE/schema" "$STATE/schema"; then
    step "the schema has changed and there are no upgrades before version 1.0: starting with an empty database"
    stop
    rm -rf "$STATE/data" "$STATE/schema" "$STATE/env"
  fi
  "$ROOT/scripts/cluster.sh" start "$STATE" "$DB_PORT"
  # A changed library under a running REST server would mix two versions of the schema.
  if ! "$ROOT/scripts/build.sh" is-installed "$STATE"; then
    stop_services
    "$ROOT/scripts/build.sh" install "$STATE"
  fi
  cp "$PACKAGE/schema" "$STATE/schema"
  read_secrets
  is_running "$RUN/rest.pid" || prepare_database
  start_services
}

stop_services() {
  local service
  for service in sidecar standin rest; do
    stop_process "$RUN/$service.pid"
  done
}

stop() {
  stop_services
  "$ROOT/scripts/cluster.sh" stop "$STATE"
}

case $command in
  up | start)
    if [ "$command" = up ]; then
      "$ROOT/scripts/prerequisites.sh" stack
      "$ROOT/scripts/build.sh" extension
      "$ROOT/scripts/build.sh" services
    fi
    mkdir -p "$STATE"
    # One at a time; what is started does not inherit the lock.
    flock --close "$STATE/lock" "$0" locked-start "$STATE"
    if [ "$STATE" = "$DEV" ]; then
      step "running: API http://127.0.0.1:$API_PORT, database 127.0.0.1:$DB_PORT; .dev/env tells the rest"
    fi
    ;;
  locked-start) start ;;
  sidecar)
    read_secrets
    read_addresses
    start_sidecar
    write_env
    ;;
  down) stop ;;
  remove)
    [[ $STATE == "$DEV"/?* ]] || fail "only a directory below .dev is removed"
    stop
    rm -rf "$STATE"
    ;;
  *) fail "usage: stack.sh up | start | sidecar | down | remove [STATE]" ;;
esac
