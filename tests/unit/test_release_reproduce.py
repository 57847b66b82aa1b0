"""Two builds of an image: what is said of the first thing in which they differ."""

from __future__ import annotations

import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
from helpers.layouts import archive, read
from helpers.plans import planned

from buildspec.engine.contents import ImageContents
from buildspec.release.reproduce import difference

PLAN = planned('[stages.app]\nfrom = "node"\ncopy = ["a"]\n')
HISTORY = ("FROM", "COPY a /a")


def image(folder: Path, *layers: Mapping[str, Any], config: Mapping[str, Any] | None = None) -> ImageContents:
    return read(folder, archive(*layers, config=config, history=HISTORY[: len(layers)]))


def member(name: str, **changes: Any) -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    for key, value in changes.items():
        setattr(found, key, value)
    return found


BASE = {"bin/": b"", "bin/sh": b"1"}


@pytest.mark.parametrize(
    ("one", "other", "told"),
    [
        ({"a": b"1"}, {"a": b"2"}, "/a has other content"),
        ({"a": b"1"}, {"a": b"12"}, "/a has another size: 1, then 2"),
        ({"a": b"1", "b": b""}, {"a": b"1"}, "/b is in the first alone"),
        ({"a": b"1"}, {"a": b"1", "b": b""}, "/b is in the second alone"),
        ({"a": b"1", "b": b""}, {"b": b"", "a": b"1"}, "its files come in another order"),
        ({"a": "-> b"}, {"a": "-> c"}, "/a has another target: b, then c"),
        ({"a": member("a", mtime=5)}, {"a": member("a", mtime=6)}, "/a has another time: 5, then 6"),
        ({"a": member("a", mode=0o644)}, {"a": member("a", mode=0o4755)}, "/a has another mode: 0644, then 4755"),
        ({"a": member("a", uid=1)}, {"a": member("a", uid=2)}, "/a has another user: 1, then 2"),
        (
            {"a": member("a", pax_headers={"SCHILY.xattr.security.capability": "x"})},
            {"a": member("a")},
            "/a has another extended attributes: security.capability, then none",
        ),
    ],
)
def test_the_first_path_of_the_first_layer_is_named(
    one: Mapping[str, Any], other: Mapping[str, Any], told: str, tmp_path: Path
) -> None:
    first, second = image(tmp_path / "1", BASE, one), image(tmp_path / "2", BASE, other)
    assert difference(first, second, PLAN, "app") == f"layer 1, from stages.app.copy: {told}"


def test_what_is_the_same_has_no_difference(tmp_path: Path) -> None:
    assert difference(image(tmp_path / "1", BASE), image(tmp_path / "2", BASE), PLAN, "app") == ""


def test_a_layer_of_the_base_is_called_so(tmp_path: Path) -> None:
    first, second = image(tmp_path / "1", {"x": b"1"}, {}), image(tmp_path / "2", {"x": b"2"}, {})
    assert difference(first, second, PLAN, "app") == "layer 0, of the base: /x has other content"


def test_settings_are_compared_when_the_layers_are_the_same(tmp_path: Path) -> None:
    first = image(tmp_path / "1", BASE, config={"Env": ["A=1", "B=2"]})
    second = image(tmp_path / "2", BASE, config={"Env": ["A=1", "B=3"]})
    assert difference(first, second, PLAN, "app") == "the configuration.config.Env[1] is 'B=2', then 'B=3'"


def test_the_same_files_may_be_compressed_otherwise(tmp_path: Path) -> None:
    first = image(tmp_path / "1", BASE)
    packed = attrs.evolve(first.layers[0], digest="sha256:other")
    second = attrs.evolve(first, digest="sha256:x", layers=(packed,))
    assert difference(first, second, PLAN, "app").startswith("layer 0 holds the same, and is compressed otherwise")
    assert difference(first, attrs.evolve(first, digest="sha256:x"), PLAN, "app").startswith("the manifest is written")
