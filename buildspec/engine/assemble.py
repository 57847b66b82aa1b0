"""Bases assembled from Debian packages: recipes in, cached and reproducible OCI images and layouts out.

Unpacked bases are put together from the packages' files here, for any architecture and without root;
configured ones are made by mmdebstrap, and maintainer scripts run natively. Same packages, same digest.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from buildspec.errors import MachineError, UsageError

if TYPE_CHECKING:
    from buildspec.engine.mirrors import Mirror
    from buildspec.engine.tree import Tree
    from buildspec.plan.recipe import Recipe

# apt, oci, rootfs and their imports are loaded when something is assembled: a cached base takes 1 ms.

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_COMMENT = "Debian {suite}, assembled from packages"
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "armhf", "ppc64le": "ppc64el", "i686": "i386"}
# A base that is delivered is compressed well (3 % smaller than level 4, in twice the time); one that only
# build steps start from is never pushed, and level 1 is 3.4 times as fast.
_DELIVERED, _LOCAL = 6, 1


@attrs.frozen
class AssembledBase:
    """A base in the cache."""

    recipe: Recipe
    digest: str
    """Of the manifest."""
    unpacked: int
    """Bytes of all files."""
    compressed: int
    """Bytes of the layer."""
    packages: Mapping[str, str]
    """Versions by name."""
    cached: bool
    seconds: float
    """What it took now."""


def assemble(recipe: Recipe, cache: Path, *, say: Callable[[str], None], refresh: bool = False) -> AssembledBase:
    """Assemble a base, or find it in the cache.

    Args:
        recipe: what it is made of.
        cache: folder of blobs, recipes and packages; made when absent, shared between processes.
        say: takes lines of progress.
        refresh: fetch the newest packages even if the base is cached.

    Raises:
        UsageError: the suite or a package does not exist.
        MachineError: a tool is missing, the mirror can't be reached, or the recipe can't be met here.
    """
    start = time.perf_counter()
    if not refresh and (found := _cached(recipe, cache, start)):
        return found
    from buildspec.engine import apt, files

    key = recipe.key()
    before = time.time()
    with files.locked(cache / "recipes" / f"{key}.lock"):
        # Another process may have made it meanwhile; after the lock, that is as fresh as it gets.
        if (not refresh or _made_since(cache, key, before)) and (found := _cached(recipe, cache, start)):
            return found
        work = cache / "tmp" / key
        apt.clear(work)  # of a run that was interrupted: nobody else holds the lock
        work.mkdir(parents=True)
        try:
            record = _make(recipe, cache, work, lambda line: say(f"{recipe.title}: {line}"))
            part = work / "record.json"
            part.write_text(json.dumps(record), encoding="utf-8")
            part.replace(cache / "recipes" / f"{key}.json")
        finally:
            apt.clear(work)
        apt.prune(cache / "debs")
    return _base(recipe, record, cached=False, start=start)


def assemble_all(
    recipes: Sequence[Recipe],
    cache: Path,
    *,
    say: Callable[[str], None],
    refresh: bool = False,
    jobs: int | None = None,
) -> Mapping[Recipe, AssembledBase]:
    """Assemble several bases side by side.

    Args:
        recipes: what they are made of; duplicates are made once.
        cache: see `assemble`.
        say: takes lines of progress, from several threads.
        refresh: see `assemble`.
        jobs: how many at a time; as many as there are cores when None.
    """
    unique = list(dict.fromkeys(recipes))
    start = time.perf_counter()
    done = {} if refresh else {r: b for r in unique if (b := _cached(r, cache, start))}
    rest = [r for r in unique if r not in done]
    if rest:
        from concurrent.futures import ThreadPoolExecutor, as_completed

        from buildspec.engine import process

        pool = ThreadPoolExecutor(min(len(rest), jobs or os.cpu_count() or 1))
        try:
            # The slowest first: configured bases run maintainer scripts.
            rest.sort(key=lambda r: not r.configured)
            futures = {pool.submit(assemble, r, cache, say=say, refresh=refresh): r for r in rest}
            for future in as_completed(futures):
                done[futures[future]] = future.result()
        except BaseException:
            process.stop()  # nobody wants the others any more, and mmdebstrap can take minutes
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    return {r: done[r] for r in unique}


def index(cache: Path, manifests: Mapping[str, str]) -> str:
    """Write an image index into the cache and return its digest.

    Args:
        cache: where the manifests are.
        manifests: manifest digests by platform.

    Raises:
        MachineError: a manifest is not in the cache.
    """
    from buildspec.engine import oci

    return oci.write_index(cache, manifests)


def export(cache: Path, index_digest: str, dest: Path, ref: str) -> None:
    """Make `dest` an OCI image layout of one index: whole or not at all, and untouched if it is that already.

    Args:
        cache: where the blobs are; they are linked, or copied to another file system.
        index_digest: what `index` returned.
        dest: the folder; replaced.
        ref: the name of the image in the layout.

    Raises:
        MachineError: a blob is not in the cache.
    """
    from buildspec.engine import oci

    oci.export_layout(cache, index_digest, dest, ref)


def _cached(recipe: Recipe, cache: Path, start: float) -> AssembledBase | None:
    """The base, if its record and all blobs are there and whole."""
    try:
        record = json.loads((cache / "recipes" / f"{recipe.key()}.json").read_bytes())
        for digest, size in record["blobs"].items():
            if (cache / "blobs" / "sha256" / digest.removeprefix("sha256:")).stat().st_size != size:
                return None
        return _base(recipe, record, cached=True, start=start)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def _base(recipe: Recipe, record: Mapping[str, Any], *, cached: bool, start: float) -> AssembledBase:
    return AssembledBase(
        recipe,
        digest=record["digest"],
        unpacked=record["unpacked"],
        compressed=record["compressed"],
        packages=record["packages"],
        cached=cached,
        seconds=time.perf_counter() - start,
    )


def _made_since(cache: Path, key: str, moment: float) -> bool:
    try:
        return (cache / "recipes" / f"{key}.json").stat().st_mtime > moment
    except FileNotFoundError:
        return False


def _make(recipe: Recipe, cache: Path, work: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Assemble a base and return its record for the cache."""
    from buildspec.engine import apt, layers, oci, rootfs

    source = apt.mirror(recipe.suite)
    make = _configured if recipe.configured else _unpacked
    tree, packages = make(recipe, source, cache, work, say)
    if not recipe.shell and (wrong := rootfs.problems(tree)):
        listed = "\n".join(f"  {line}" for line in wrong)
        fix = "take the packages that bring them out of `packages`, or set shell = true"
        raise UsageError(f"the base {recipe.title} is not distroless:\n{listed}", fix)
    newest = rootfs.latest(tree)
    say("writing the layer")
    level = _LOCAL if recipe.configured else _DELIVERED
    layer = layers.write_layer(tree, cache, latest=newest, level=level, work=work)
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(newest))
    comment = _COMMENT.format(suite=recipe.suite)
    digest = oci.write_image(cache, layer, recipe.platform, created=created, path=PATH, comment=comment)
    return {
        "digest": digest,
        "unpacked": layer.unpacked,
        "compressed": layer.compressed,
        "packages": packages,
        "blobs": oci.contents(cache, digest),
    }


def _unpacked(
    recipe: Recipe, source: Mirror, cache: Path, work: Path, say: Callable[[str], None]
) -> tuple[Tree, dict[str, str]]:
    from buildspec.engine import apt, rootfs, tree

    # base-files has the folders, /etc/os-release and the links of the merged /usr.
    names = {*recipe.packages, "base-files", *(("dash", "coreutils") if recipe.shell else ())}
    debs = apt.fetch(source, recipe.architecture, sorted(names), cache, work, say)
    say(f"unpacking {len(debs)} packages")
    packages = []
    for deb in debs:
        files: Tree = {}
        tree.read_tar(apt.files_of(deb, work), files)
        packages.append(rootfs.Package(deb.name, deb.control, files))
    named = names if recipe.shell else recipe.packages
    made, kept = rootfs.unpacked(packages, named, recipe.exclude, shell=recipe.shell)
    return made, {d.name: d.version for d in sorted(debs, key=lambda d: d.name) if d.name in kept}


def _configured(
    recipe: Recipe, source: Mirror, cache: Path, work: Path, say: Callable[[str], None]
) -> tuple[Tree, dict[str, str]]:
    from buildspec.engine import mmdebstrap, rootfs, tree

    native = _MACHINES.get(platform.machine(), platform.machine())
    if recipe.architecture != native:
        raise MachineError(
            f"maintainer scripts of {recipe.platform} packages don't run here (this machine is {native})",
            "use this base for build stages, which run on the builder's platform",
        )
    say("running mmdebstrap")
    made: Tree = {}
    tree.read_tar(mmdebstrap.run(recipe, source, cache, work), made)
    versions = rootfs.installed(made)
    return rootfs.configured(made, recipe.exclude, mmdebstrap.settings(source, made)), versions
