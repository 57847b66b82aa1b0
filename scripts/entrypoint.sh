#!/bin/sh
# Start of claude-flow in an image with a shell: refuse without required variables, go to the workspace, become the tool.
# The image without a shell starts the same way, in app/src/entrypoint.js. Nothing is fetched, and nobody's rights change:
# it runs as any user, on a read-only root, without capabilities.
#
#   REQUIRED_ENV  names of variables that must have a value, a blank between them   both are in the image,
#   ENV_EXEMPT    first arguments for which they need not                           from [runtime] of buildspec.toml
#   WORKDIR       the workspace
set -euf

CLI=${CLAUDE_FLOW_CLI:-/app/dist/cli.js}
WORKSPACE=${WORKDIR:-/workspace}

stop() {
  printf 'Error: %s\n' "$1" >&2
  exit 1
}

# is_exempt ARGUMENT...: whether the tool only says what it is; without arguments, it prints its help.
is_exempt() {
  [ $# -gt 0 ] || return 0
  for word in ${ENV_EXEMPT-}; do
    [ "$1" != "$word" ] || return 0
  done
  return 1
}

has_value() {
  case $1 in
    [0-9]* | *[!A-Za-z0-9_]*) stop "REQUIRED_ENV has '$1', which is not the name of a variable" ;;
  esac
  eval "[ -n \"\${$1-}\" ]"
}

is_exempt "$@" || for name in ${REQUIRED_ENV-}; do
  has_value "$name" || stop "$name environment variable is required"
done

# Where there is no workspace and none can be made, the tool can still say what it is.
case $WORKSPACE in
  /*) ;;
  *) stop "WORKDIR is not an absolute path: $WORKSPACE" ;;
esac
mkdir -p "$WORKSPACE" 2>/dev/null || :
cd "$WORKSPACE" 2>/dev/null || is_exempt "$@" || stop "workspace $WORKSPACE is not there, or can't be entered"

# In the place of this shell: signals reach the tool, and its exit code is the container's.
exec node "$CLI" "$@"
