#!/usr/bin/env bash
# The same as unlock.mjs with curl: sign up, unlock, read. Against a stack that `make up` left running:
#
#   set -a; . .dev/env; set +a; examples/unlock.sh aurora.example
set -euo pipefail
username=${1:-aurora.example}
json=(-H "Content-Type: application/json")

token=$(curl -fsS "$API_URL/auth/v1/signup" -H "apikey: $ANON_KEY" "${json[@]}" \
  -d "{\"email\": \"user.$RANDOM$RANDOM@example.com\", \"password\": \"correct horse battery\"}" |
  sed 's/.*"access_token":"\([^"]*\)".*/\1/')

# Content-Profile names the schema of a POST, Accept-Profile that of a GET.
api() { curl -sS -H "apikey: $ANON_KEY" -H "Authorization: Bearer $token" "$@"; }

while :; do
  answer=$(api "$API_URL/rest/v1/rpc/unlock_profile" -H "Content-Profile: analytics" "${json[@]}" -d "{\"username\": \"$username\"}")
  printf '%s\n\n' "$answer"
  [[ $answer == *'"state":"pending"'* ]] || break
  sleep 0.5
done

api "$API_URL/rest/v1/rpc/profile_timeline?username=$username&page_size=2" -H "Accept-Profile: analytics"
printf '\n\n'
api "$API_URL/rest/v1/profiles?select=username,followers_count,engagement_rate_by_followers" -H "Accept-Profile: analytics"
printf '\n'
