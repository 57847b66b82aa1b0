"""How a container of a test is confined."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import attrs
import pytest
from helpers.plans import ARM64

from buildspec.engine.container import Container, options
from buildspec.spec.model import Runtime

CONFINED = Runtime(
    env={"LOG": "a b", "BOTH": "runtime"},
    volumes=("/data",),
    memory="512m",
    cpus=0.5,
    tmpfs=("/tmp", "/var/tmp:exec,size=1m"),
)
WANTED = Container(
    name="n",
    folder="f",
    image="sha256:1",
    platform=ARM64,
    runtime=CONFINED,
    entrypoint=("/bin/a", "first"),
    arguments=("-x",),
    env={"BOTH": "test"},
    mounts={"/in": Path("/srv/a,b")},
)


def test_it_may_do_no_more_than_the_runtime_says() -> None:
    assert options(WANTED) == [
        *("--name", "n", "--label", "buildspec.test=f", "--platform", "linux/arm64", "--pull", "never"),
        *("--interactive", "--cap-drop", "ALL", "--security-opt", "no-new-privileges:true"),
        *("--pids-limit", "256"),
        *("--log-driver", "none"),
        *("--read-only", "--network", "none"),
        *("--tmpfs", "/tmp:rw,noexec,nosuid,nodev,size=64m"),
        *("--tmpfs", "/var/tmp:rw,nosuid,nodev,exec,size=1m"),
        *("--volume", "/data", "--memory", "512m", "--memory-swap", "512m", "--cpus", "0.5"),
        *("--env", "LOG=a b", "--env", "BOTH=test"),
        *("--mount", 'type=bind,"source=/srv/a,b",target=/in,readonly', "--entrypoint", "/bin/a"),
    ]


@pytest.mark.parametrize(
    ("change", "option"), [({"network": True}, "--network"), ({"runtime": Runtime(read_only=False)}, "--read-only")]
)
def test_what_it_may_do_it_isnt_kept_from(change: dict[str, Any], option: str) -> None:
    assert option in options(WANTED)
    assert option not in options(attrs.evolve(WANTED, **change))


def test_it_asks_for_no_more_processors_than_there_are() -> None:
    many = attrs.evolve(WANTED, runtime=attrs.evolve(CONFINED, cpus=4096.0))
    given = options(many)
    assert float(given[given.index("--cpus") + 1]) == float(os.cpu_count() or 1)
