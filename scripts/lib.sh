# Shared by the scripts beside it, which source it. POSIX sh, because Alpine and minimal images have no bash.
# The caller sets $self, its own name, first.
# shellcheck shell=sh disable=SC2086,SC2154  # $sudo is a command and its option; $self is the caller's

umask 022
ROOT=${BUILDSPEC_ROOT:-}              # tests put a machine of their own there
PATH=$PATH:$ROOT/usr/sbin:$ROOT/sbin  # dockerd and iptables live there; a user's PATH may lack them

say() { printf '%s: %s\n' "$self" "$*"; }

# stop CODE TEXT...: says why on stderr and ends with CODE (2: wrong call, 3: the machine is not up to it).
stop() {
  code=$1
  shift
  say "$*" >&2
  exit "$code"
}

have() { command -v "$1" >/dev/null 2>&1; }

# at_least GOT WANTED: compares the first three numbers; a Debian epoch or a leading v does not count.
at_least() {
  awk -v got="$1" -v wanted="$2" 'BEGIN {
    sub(/^([0-9]+:|v)/, "", got)
    split(got, g, /[.+~-]/)
    split(wanted, w, ".")
    for (i = 1; i <= 3; i++) if (g[i] + 0 != w[i] + 0) exit !(g[i] + 0 > w[i] + 0)
  }'
}

# os_field NAME: a value of os-release; nothing where there is no such file.
os_field() { sed -n "s/^$1=//p" "$ROOT/etc/os-release" 2>/dev/null | tr -d "\"'"; }

# system: the family whose package manager this machine has, in one word.
system() {
  case $(uname -s) in
    Linux) ;;
    Darwin) echo macos && return ;;
    *) echo other && return ;;
  esac
  for word in $(os_field ID) $(os_field ID_LIKE); do
    case $word in
      debian | ubuntu) echo debian && return ;;
      rhel | centos) echo rhel && return ;;
      fedora | arch | alpine | nixos) echo "$word" && return ;;
      opensuse* | suse | sles) echo suse && return ;;
    esac
  done
  echo other
}

# become_root: sets $sudo to what makes a command run as root ("" for root itself); false when there is no way.
become_root() {
  sudo=
  if [ "$(id -u)" = 0 ]; then return; fi
  have sudo || return 1
  sudo='sudo -n'
  if [ -t 0 ]; then sudo=sudo; fi
  $sudo true
}

# apt ARGUMENTS...: apt-get that asks nothing, waits two minutes at most for a lock and speaks only when it fails.
apt() {
  apt_log=$(mktemp)
  apt_status=0
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0 "$@" \
    >"$apt_log" 2>&1 </dev/null || apt_status=$?
  if [ "$apt_status" != 0 ]; then tail -n 20 "$apt_log" >&2; fi
  rm -f "$apt_log"
  return "$apt_status"
}

# run COMMAND...: runs it; in a dry run only prints it.
run() {
  if [ "${mode:-}" = dry-run ]; then say "would run: $*"; else "$@"; fi
}

# put FILE: writes stdin to FILE as root, whole or not at all; in a dry run only prints it.
put() {
  if [ "${mode:-}" = dry-run ]; then
    say "would write $1:"
    sed 's/^/    /'
  else
    $sudo mkdir -p "$(dirname "$1")"
    $sudo tee "$1.new" >/dev/null
    $sudo mv "$1.new" "$1"
  fi
}
