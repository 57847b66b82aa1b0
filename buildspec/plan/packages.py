"""System packages of a stage: the commands of each package manager, and installing for another platform.

A foreign platform's packages are unpacked on the builder's platform into that platform's root, without running
its programs: nothing is emulated.
"""

from __future__ import annotations

import shlex

from buildspec.plan.model import Copy, Mount, Run

ROOT = "/target"
"""Where the other platform's root is mounted."""
OUT = "/out"
"""Where the files that were added are left."""

# apk notes what it added in its own database; scripts of the packages would be foreign programs.
_APK_CROSS = """\
set -eu
apk --root {root} info -v | sort > /tmp/before
apk --root {root} --arch "$(cat {root}/etc/apk/arch)" --keys-dir /etc/apk/keys \\
    --repositories-file /etc/apk/repositories --cache-dir /var/cache/apk --no-scripts add {packages}
apk --root {root} info -v | sort > /tmp/after
mkdir -p {out}
cd {root}
{{ comm -13 /tmp/before /tmp/after | sed 's/-[0-9][^-]*-r[0-9]*$//' \\
   | while read -r name; do apk --root {root} info -qL "$name"; done
   find etc/apk/world lib/apk/db usr/lib/apk/db -type f 2>/dev/null || true; }} \\
 | sed '/^$/d' | sort -u | tar -c -f - -T - | tar -x -C {out} -f -
"""

_APK_CACHE = "type=cache,target=/var/cache/apk,sharing=locked"
_APT_CACHES = (
    "type=cache,target=/var/cache/apt,sharing=locked",
    "type=cache,target=/var/lib/apt/lists,sharing=locked",
)


def install(manager: str, packages: tuple[str, ...], mounts: tuple[Mount, ...]) -> Run:
    """Install on the platform the stage runs on.

    Args:
        manager: `apk` or `apt`.
        packages: in that manager's names.
        mounts: secrets of the network.
    """
    names = shlex.join(packages)
    if manager == "apk":
        return Run(f"apk add --cache-dir /var/cache/apk {names}", mounts, (_APK_CACHE,))
    # Debian's images delete what they downloaded; with a cache mount that would empty the cache
    command = (
        "rm -f /etc/apt/apt.conf.d/docker-clean && apt-get update && "
        f"DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends {names}"
    )
    return Run(command, mounts, _APT_CACHES)


def install_for_target(packages: tuple[str, ...], root: str, mounts: tuple[Mount, ...]) -> Run:
    """Install with the builder's apk into the root of another platform, and leave what was added in `/out`.

    Args:
        packages: of Alpine.
        root: Dockerfile stage with the other platform's root.
        mounts: secrets of the network.
    """
    command = _APK_CROSS.format(root=ROOT, out=OUT, packages=shlex.join(packages))
    return Run(command, mounts, (_APK_CACHE, f"type=bind,from={root},target={ROOT},rw"))


def added(helper: str) -> Copy:
    """What a helper stage has installed for the target."""
    return Copy((f"{OUT}/",), "/", source=helper)
