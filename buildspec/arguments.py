"""The command line's arguments in, a namespace with the verb's name and options out."""

from __future__ import annotations

import argparse
from typing import NoReturn

from buildspec import __version__
from buildspec.errors import UsageError

AUTO = "auto"
"""Profile that stands for the specification's own bases, or `debian` where their registries can't be reached."""
FALLBACK = "debian"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message, f"see `{self.prog} --help`")


def parser() -> argparse.ArgumentParser:
    """The parser of all verbs; it raises UsageError for a call that makes no sense."""
    made = _Parser(prog="buildspec", description="A type-checked build language for container images.")
    made.add_argument("--version", action="version", version=f"buildspec {__version__}")
    # their `prog` is given, as argparse would lay out a help text to find it
    verbs = made.add_subparsers(required=True, metavar="VERB", dest="verb", prog=made.prog)
    checked = _add(verbs, "check", "Decode and type-check the specification; say all that is wrong with it.")
    checked.add_argument(
        "--format", choices=("text", "json", "sarif", "github"), default="text", help="how to say it (text)"
    )
    checked.add_argument("--strict", action="store_true", help="take warnings for errors")
    planned = _add(verbs, "plan", "Show what would be built: stages, where they run, bases, images, gates, tags.")
    planned.add_argument(
        "--format", choices=("tree", "json", "mermaid", "dot"), default="tree", help="how to show it (tree)"
    )
    planned.add_argument("--json", action="store_const", dest="format", const="json", help="the same as --format json")
    planned.add_argument("--explain", metavar="PATH", help="say where a value comes from: stages.base.from")
    built = _add(verbs, "build", "Build every delivered image for every platform, gates included.")
    for sub in (planned, built):
        sub.add_argument("release", nargs="?", default="", metavar="VERSION", help="what is released: v2.0.0")
        sub.add_argument("--build-number", default="", metavar="NUMBER", help="as CI counts builds")
        sub.add_argument(
            "--platform",
            action="append",
            default=[],
            metavar="OS/ARCH",
            help="build for this platform alone; may be given several times",
        )
    built.add_argument("--no-cache", action="store_true", help="take every step again")
    built.add_argument("--refresh", action="store_true", help="assemble Debian bases from the newest packages")
    generated = _add(verbs, "generate", "Write what is made from other files: the JSON Schema for editors.")
    generated.add_argument("--check", action="store_true", help="write nothing; fail when a file is stale")
    _add(verbs, "doctor", "Say what this machine can and can't do, with the fix.")
    return made


def _add(verbs: argparse._SubParsersAction[_Parser], name: str, about: str) -> argparse.ArgumentParser:
    """Add a verb, with the options that all have."""
    sub = verbs.add_parser(name, help=about, description=about)
    sub.add_argument("--file", default="buildspec.toml", metavar="PATH", help="the specification (buildspec.toml)")
    sub.add_argument(
        "--profile",
        action="append",
        default=[],
        metavar="NAME",
        help="lay a profile of the specification over it; several in order; "
        f"'{AUTO}': its own bases, or '{FALLBACK}' where their registries can't be reached",
    )
    sub.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="another value for a name of [vars]"
    )
    return sub


def overrides(arguments: argparse.Namespace) -> dict[str, str]:
    """The values of `--set`, by name.

    Raises:
        UsageError: one isn't of the form `name=value`.
    """
    found: dict[str, str] = {}
    for text in arguments.set:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"--set {text}: write it as --set name=value")
        found[name] = value
    return found
