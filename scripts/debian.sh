# The part of scripts/engine that knows Debian and Ubuntu: which packages, from which release. Sourced by it.
# shellcheck shell=sh disable=SC2086,SC2154  # $sudo is a command and its option; the rest is set by scripts/engine

RELEASES='bookworm trixie forky'  # in order; a release whose Docker is too old borrows from the next
APT=$ROOT/etc/apt

# own_source: the machine's own Debian source, with its mirror, keys and options, and @SUITE@ for the suite. Its
# first line says which release that was and whether it is of the .sources or the .list format.
own_source() {
  for file in "$APT/sources.list.d/debian.sources" "$APT/sources.list" \
    "$APT"/sources.list.d/*.sources "$APT"/sources.list.d/*.list; do
    case $file in */buildspec-*) continue ;; esac
    [ -r "$file" ] || continue
    case $file in
      *.sources) found=$(read_stanzas "$file") ;;
      *) found=$(read_lines "$file") ;;
    esac
    if [ -n "$found" ]; then
      printf '%s\n' "$found"
      return
    fi
  done
}

# read_stanzas FILE: own_source in deb822: every field stays as it is but those that say what to take.
read_stanzas() {
  sed '/^#/d' "$1" | awk -v RS= -v releases="$RELEASES stable" '{
    release = types = parts = off = rest = ""
    count = split($0, lines, "\n")
    for (i = 1; i <= count; i++) {
      if (lines[i] ~ /^[^ \t]/) { field = tolower(lines[i]); sub(/[ \t]*:.*/, "", field) }
      words = " " lines[i] " "
      sub(/^ [^ \t:]+:/, " ", words)
      if (field == "types") types = types words
      else if (field == "components") parts = parts words
      else if (field == "enabled") off = words
      else if (field != "suites") rest = rest "\n" lines[i]
      else for (n = split(releases, known, " "); n; n--) if (index(words, " " known[n] " ")) release = known[n]
    }
    if (release && types ~ / deb / && parts ~ / main / && off !~ /no|false/) {
      print release " sources\nTypes: deb\nSuites: @SUITE@\nComponents: main" rest
      exit
    }
  }'
}

# read_lines FILE: own_source in the one-line format: the options in brackets stay as they are.
read_lines() {
  sed 's/#.*//' "$1" | awk -v releases="$RELEASES stable" '$1 == "deb" {
    options = ""
    if (match($0, /\[[^]]*\]/)) {
      options = substr($0, RSTART, RLENGTH) " "
      sub(/\[[^]]*\]/, "")
    }
    if (index(" " releases " ", " " $3 " ") && $0 ~ /[ \t]main([ \t]|$)/) {
      print $3 " list\ndeb " options $2 " @SUITE@ main"
      exit
    }
  }'
}

# add_later_releases: tells apt of the Debian releases after this machine's, without making it prefer them, and
# sets $later to their names: none on Ubuntu, whose own updates bring a new Docker.
add_later_releases() {
  later=
  source=$(own_source)
  home=${source%% *}
  if [ "$home" = stable ]; then home=$(os_field VERSION_CODENAME); fi
  case " $RELEASES " in
    *" ${home:-?} "*) later=${RELEASES#*"$home"} ;;
  esac
  format=$(printf '%s\n' "$source" | sed -n '1s/.* //p')
  for suite in $later; do
    printf '%s\n' "$source" | sed "1d; s/@SUITE@/$suite/" | put "$APT/sources.list.d/buildspec-$suite.$format"
    put "$APT/preferences.d/buildspec-$suite" <<EOF
Explanation: from $suite comes only what is asked for by name, for scripts/engine
Package: *
Pin: release n=$suite
Pin-Priority: 50
EOF
  done
}

# drop_release SUITE: takes back a source that is of no use.
drop_release() {
  run $sudo rm -f "$APT/sources.list.d/buildspec-$1.sources" "$APT/sources.list.d/buildspec-$1.list" \
    "$APT/preferences.d/buildspec-$1"
}

# read_offers: asks apt, once, since it takes a second, for every version it knows of the packages below.
read_offers() {
  offers=$(apt-cache madison docker-ce docker-buildx-plugin docker.io docker-buildx docker-cli qemu-user-binfmt \
    2>/dev/null) || :
}

# version_of PACKAGE: its newest version in $suite or, when that is "", in the machine's own sources.
version_of() {
  printf '%s\n' "$offers" | awk -F '[| ]+' -v package="$1" -v suite="$suite" -v later=" $later " '
    { sub(/^ +/, ""); from = $4; sub("/.*", "", from) }
    $1 == package && (suite == "" ? !index(later, " " from " ") : from == suite) { print $2; exit }'
}

# choose_docker: sets $docker and $plugin to the packages of engine and buildx, and $suite to the release they come
# from ("" for the machine's own): the first where both are new enough. False when none is.
choose_docker() {
  for suite in '' $later; do
    for pair in docker-ce/docker-buildx-plugin docker.io/docker-buildx; do
      docker=${pair%/*} plugin=${pair#*/}
      if at_least "$(version_of "$docker")" "$MIN_ENGINE" && at_least "$(version_of "$plugin")" "$MIN_BUILDX"; then
        return
      fi
    done
  done
  return 1
}

# list_packages: the packages for the missing pieces in $needs. NAME/RELEASE takes that package, and of what it
# depends on only what the machine's own release can't satisfy: libc and the like are not replaced.
list_packages() {
  at=${suite:+/$suite}
  if needs engine && ! engine_installed; then
    case $docker in
      docker-ce) echo docker-ce docker-ce-cli containerd.io ;;
      *) echo "$docker$at" ;;
    esac
  fi
  if needs client && [ "$docker" != docker-ce ]; then
    if [ -n "$(version_of docker-cli)" ]; then
      echo "docker-cli$at"
    else
      echo "$docker$at"  # here the client is in the engine's package
    fi
  fi
  if needs buildx; then echo "$plugin$at"; fi
  if needs emulation && [ ! -e "$BINFMT_CONF" ]; then
    if at_least "$(version_of qemu-user-binfmt)" 10; then
      echo "qemu-user$at qemu-user-binfmt$at"  # static from this version on
    else
      echo qemu-user-static
    fi
  fi
  if needs bases; then
    echo "mmdebstrap$at debian-archive-keyring"
    have python3 || echo python3
  fi
}

# install_packages: brings what $needs names. Asks apt for its lists once, and only when there is something to bring.
install_packages() {
  later='' suite='' docker=docker.io plugin=docker-buildx offers=''
  if [ -z "$(list_packages)" ]; then return; fi
  if needs client engine buildx; then add_later_releases; fi
  say "reads the package lists"
  run apt update || say "apt-get could not read all lists (see above); going on with those it has" >&2
  read_offers
  if needs client engine buildx; then settle_release; fi
  # shellcheck disable=SC2046
  set -- $(list_packages)
  say "installs $*"
  run apt install -y --no-install-recommends --no-remove "$@" ||
    stop 3 "apt-get could not install them (see above)."
}

# settle_release: keeps the one later release that is of use; ends with 3 when no source has a new enough Docker.
settle_release() {
  chosen=yes
  choose_docker || chosen=no  # in a dry run apt may not know the later releases yet: the last one it is
  if [ "$chosen$mode" = nosetup ]; then suite=none; fi
  for name in $later; do
    if [ "$name" != "$suite" ]; then drop_release "$name"; fi
  done
  if [ "$suite" = none ]; then
    stop 3 "no package source of this machine has Docker $MIN_ENGINE and buildx $MIN_BUILDX or newer." \
      "Set up Docker's own package repository as its documentation says, then run this again."
  fi
}
