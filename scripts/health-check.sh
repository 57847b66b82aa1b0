#!/bin/sh
# Health of claude-flow in an image with a shell: the command is there, its version answers and, where a key is given, so
# does the API. Exit code 0 and the version, or 1 and what is wrong. The image without a shell asks the same program.
#
#   health-check [basic]     basic: without the API
set -u

CLI=${CLAUDE_FLOW_CLI:-/app/dist/cli.js}
CHECK=${CLAUDE_FLOW_CHECK:-/app/dist/healthcheck.js}

for file in "$CLI" "$CHECK"; do
  [ -r "$file" ] && continue
  [ "$file" = "$CLI" ] && echo 'claude-flow CLI not found' || echo "$file not found"
  exit 1
done

# In the place of this shell, so that a signal reaches it. Time limits are its own: the `timeout` of BusyBox leaves a
# process to the container's first one, and where that is no init, one more stays with every check.
exec node "$CHECK" "$@"
