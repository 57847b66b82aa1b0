#!/bin/sh
# Health of claude-flow in an image with a shell: the command is there, its version answers and, where a key is given, so
# does the API. Exit code 0 and the version, or 1 and what is wrong; the image without a shell has the same in JavaScript.
#
#   health-check [basic]     basic: without the API
set -u

CLI=${CLAUDE_FLOW_CLI:-/app/dist/cli.js}
CHECK=${CLAUDE_FLOW_CHECK:-/app/dist/healthcheck.js}
LIMIT=3 # seconds for each of the two questions, which are asked side by side

# Sent to the first process and its children when this one is killed for taking too long.
asked=
trap '[ -z "$asked" ] || kill "$asked" 2>/dev/null' EXIT

unhealthy() {
  printf '%s\n' "$*"
  exit 1
}

# The tool's own question; it reads the key from the environment, so no command line shows it.
ask_api() {
  timeout -s KILL $((LIMIT + 1)) node "$CHECK" api && return
  code=$?
  case $code in 124 | 137) printf 'Failed to connect to Claude API: no answer within %s000 ms\n' "$LIMIT" ;; esac
  return 1
}

[ -r "$CLI" ] || unhealthy 'claude-flow CLI not found'
key=$(printf '%s' "${CLAUDE_API_KEY:-}" | tr -d '[:space:]')
if [ -n "$key" ] && [ "${1:-}" != basic ]; then
  ask_api &
  asked=$!
fi

# without the key: the question needs none
answer=$(cd /tmp 2>/dev/null || cd / && CLAUDE_API_KEY='' timeout -s KILL "$LIMIT" node "$CLI" --version 2>/dev/null </dev/null)
code=$?
case $code in
  0) ;;
  124 | 137) unhealthy "claude-flow gave no version within ${LIMIT}000 ms" ;;
  *) unhealthy "Failed to get claude-flow version (exit code $code)" ;;
esac
version=${answer%%"
"*}
case $version in
  v[0-9]*.[0-9]*.[0-9]*) ;;
  *) unhealthy 'Failed to get claude-flow version (no version in its answer)' ;;
esac

if [ -n "$asked" ]; then
  wait "$asked" || {
    asked=
    exit 1
  }
  asked=
fi
printf 'Health check passed - %s\n' "$version"
