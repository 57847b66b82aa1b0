"""The command line's arguments in, a namespace with the verb's name and options out.

Loads nothing but the standard library: a noxfile reads the verbs from here before their dependencies are installed.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, NoReturn

from buildspec import __version__

AUTO = "auto"
"""Profile that stands for the specification's own bases, or `debian` where their registries can't be reached."""
FALLBACK = "debian"
KINDS = ("node", "python", "go", "static")
"""Projects that `new` writes for."""
_PROGRAM = "buildspec"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        from buildspec.errors import UsageError

        raise UsageError(f"{message}{self._meant(message)}", f"see `{self.prog} --help`")

    def _meant(self, message: str) -> str:
        """What a misspelt option was meant to be, as the end of a message about it."""
        from difflib import get_close_matches

        _, unknown, rest = message.partition("unrecognized arguments: ")
        name = rest.split()[0].partition("=")[0] if unknown and rest.strip() else ""
        close = get_close_matches(name, self._option_string_actions, n=1) if name.startswith("--") else []
        return f"; did you mean '{close[0]}'?" if close else ""


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Read a command line.

    Args:
        argv: the verb and what follows it.

    Raises:
        UsageError: a call that makes no sense.
    """
    verb = argv[0] if argv else ""
    if verb not in VERBS:
        return _overview().parse_args(argv)
    # The others' parsers aren't made: to make all of them takes longer than to check a specification.
    made = _Parser(prog=f"{_PROGRAM} {verb}", description=VERBS[verb].about)
    _add_options(made, verb)
    return made.parse_args(argv[1:], argparse.Namespace(verb=verb))


def _overview() -> argparse.ArgumentParser:
    """The parser of a call that doesn't start with a verb: it wants help or the version, or is wrong."""
    made = _Parser(prog=_PROGRAM, description="A type-checked build language for container images.")
    made.add_argument("--version", action="version", version=f"{_PROGRAM} {__version__}")
    verbs = made.add_subparsers(required=True, metavar="VERB", dest="verb", prog=made.prog)
    for name, verb in VERBS.items():
        _add_options(verbs.add_parser(name, help=verb.about, description=verb.about), name)
    return made


def _add_options(made: argparse.ArgumentParser, verb: str) -> None:
    """Add the options that verbs about a specification have, and the verb's own."""
    if VERBS[verb].of_specification:
        _of_specification(made)
    for add in VERBS[verb].options:
        add(made)


def _of_specification(made: argparse.ArgumentParser) -> None:
    made.add_argument("--file", default="buildspec.toml", metavar="PATH", help="the specification (buildspec.toml)")
    made.add_argument(
        "--profile",
        action="append",
        default=[],
        metavar="NAME",
        help="lay a profile of the specification over it; several in order; "
        f"'{AUTO}': its own bases, or '{FALLBACK}' where their registries can't be reached",
    )
    made.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="another value for a name of [vars]"
    )


def _frozen(made: argparse.ArgumentParser) -> None:
    made.add_argument(
        "--frozen", action="store_true", help="refuse references and bases that buildspec.lock doesn't have; for CI"
    )


def _of_check(made: argparse.ArgumentParser) -> None:
    made.add_argument(
        "--format", choices=("text", "json", "sarif", "github"), default="text", help="how to say it (text)"
    )
    made.add_argument("--strict", action="store_true", help="take warnings for errors")


def _of_plan(made: argparse.ArgumentParser) -> None:
    made.add_argument(
        "--format", choices=("tree", "json", "mermaid", "dot"), default="tree", help="how to show it (tree)"
    )
    made.add_argument("--json", action="store_const", dest="format", const="json", help="the same as --format json")
    made.add_argument("--explain", metavar="PATH", help="say where a value comes from: stages.base.from")


def _release(made: argparse.ArgumentParser) -> None:
    _version(made)
    _selected(made)


def _version(made: argparse.ArgumentParser) -> None:
    made.add_argument("release", nargs="?", default="", metavar="VERSION", help="what is released: v2.0.0")
    made.add_argument("--build-number", default="", metavar="NUMBER", help="as CI counts builds")


def _selected(made: argparse.ArgumentParser) -> None:
    made.add_argument(
        "--platform",
        action="append",
        default=[],
        metavar="OS/ARCH",
        help="build for this platform alone; may be given several times",
    )


def _of_build(made: argparse.ArgumentParser) -> None:
    made.add_argument("--no-cache", action="store_true", help="take every step again")
    made.add_argument("--refresh", action="store_true", help="assemble Debian bases from the newest packages")


def _image(made: argparse.ArgumentParser) -> None:
    made.add_argument("--image", default="", metavar="NAME", help="an image of the engine, instead of those built here")


def _of_audit(made: argparse.ArgumentParser) -> None:
    made.add_argument("--archive", default="", metavar="FILE", help="an image in a tar, instead of those built here")
    made.add_argument("--format", choices=("text", "json", "sarif"), default="text", help="how to say it (text)")


def _of_push(made: argparse.ArgumentParser) -> None:
    made.add_argument("release", metavar="VERSION", help="what is released: v2.0.0")
    made.add_argument("--build-number", default="", metavar="NUMBER", help="as CI counts builds")
    made.add_argument("--dry-run", action="store_true", help="say what would be done with every tag, and do nothing")
    made.add_argument(
        "--time-limit", type=float, default=600.0, metavar="SECONDS", help="for all registries together (600)"
    )
    # what plans ask for; a release is always of every platform
    made.set_defaults(platform=[])


def _of_bundle(made: argparse.ArgumentParser) -> None:
    made.set_defaults(platform=[], build_number="")


def _of_join(made: argparse.ArgumentParser) -> None:
    made.add_argument("--parts", default="", metavar="FOLDER", help="what the machines exported (build/parts)")


def _of_reproduce(made: argparse.ArgumentParser) -> None:
    made.set_defaults(release="", build_number="", no_cache=False, refresh=False)


def _of_lock(made: argparse.ArgumentParser) -> None:
    made.add_argument(
        "--check", action="store_true", help="write nothing; fail when a tag points at something else now"
    )
    made.add_argument("--time-limit", type=float, default=120.0, metavar="SECONDS", help="for all registries (120)")
    made.set_defaults(platform=[], build_number="", release="")


def _of_generate(made: argparse.ArgumentParser) -> None:
    made.add_argument("--check", action="store_true", help="write nothing; fail when a file is stale")
    made.add_argument("--force", action="store_true", help="overwrite files that somebody has written or changed, too")


def _of_new(made: argparse.ArgumentParser) -> None:
    made.add_argument("--kind", choices=KINDS, default="", help="what the image is of, where that isn't clear")
    made.add_argument(
        "--entry",
        default="",
        metavar="WHAT",
        help="what starts: a file, a Python module, a folder with a Go program; or the folder of a site",
    )
    made.add_argument("--port", type=_port, metavar="NUMBER", help="that the server listens on; 0: it is no server")
    made.add_argument("--no-noxfile", action="store_true", help="write no noxfile.py")


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text[:6]) < 1 << 16):
        raise argparse.ArgumentTypeError(f"'{text}' is no port; they go from 1 to 65535, and 0 is for no server")
    return int(text)


class Verb(NamedTuple):
    """A verb of the command line."""

    about: str
    """What it does, in a sentence."""
    options: tuple[Callable[[argparse.ArgumentParser], None], ...] = ()
    """What adds its own options."""
    of_specification: bool = True
    """It is about a specification that is there: it has options that say which, and is a session of nox."""


VERBS: Mapping[str, Verb] = {
    "new": Verb(
        "Write a specification and a noxfile for the project in this folder.", (_of_new,), of_specification=False
    ),
    "check": Verb("Decode and type-check the specification; say all that is wrong with it.", (_of_check, _frozen)),
    "plan": Verb(
        "Show what would be built: stages, where they run, bases, images, gates, tags.", (_release, _of_plan, _frozen)
    ),
    "build": Verb("Build every delivered image for every platform, gates included.", (_release, _of_build, _frozen)),
    "test": Verb(
        "Build, then hold the [tests] against the images of every platform.", (_release, _of_build, _image, _frozen)
    ),
    "audit": Verb(
        "Build, then look for what shouldn't be in the images of every platform.",
        (_release, _of_build, _image, _of_audit, _frozen),
    ),
    "reproduce": Verb("Build, build again without any cache, and compare.", (_selected, _of_reproduce, _frozen)),
    "export": Verb("Write the tested images of this machine's platforms, for `join` on another.", (_release,)),
    "join": Verb("Take what other machines exported, as images for all platforms.", (_version, _of_join)),
    "push": Verb("Push the tested images to every registry, and tag them there.", (_of_push,)),
    "rollback": Verb("Move the moving tags back to a version that was released.", (_of_push,)),
    "bundle": Verb("Write the tested images and all that goes with them into dist/.", (_of_bundle,)),
    "lock": Verb("Record what image references point at and bases are assembled from, in buildspec.lock.", (_of_lock,)),
    "generate": Verb(
        "Write Dockerfile, bake file, ignore file, compose.yaml and JSON Schema for use without this program.",
        (_of_generate,),
    ),
    "doctor": Verb("Say what this machine can and can't do, with the fix."),
}
"""The verbs, in the order in which one uses them."""


def overrides(arguments: argparse.Namespace) -> dict[str, str]:
    """The values of `--set`, by name.

    Raises:
        UsageError: one isn't of the form `name=value`.
    """
    from buildspec.errors import UsageError

    found: dict[str, str] = {}
    for text in arguments.set:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"--set {text}: write it as --set name=value")
        found[name] = value
    return found
