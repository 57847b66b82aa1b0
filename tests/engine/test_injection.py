"""No value changes its meaning on its way through a real BuildKit into an image."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import attrs
import pytest
from helpers.plans import planned

from buildspec.render.bake import portable, render
from engine.injection import BATCH, differences, hostile

pytestmark = pytest.mark.engine


@pytest.mark.parametrize("seed", range(3))
def test_hostile_values_arrive_in_the_image_as_they_were_written(seed: int) -> None:
    wrong, refused = differences(hostile(BATCH, seed))
    assert wrong == []
    assert refused < BATCH / 2


def test_bake_reads_hostile_labels_as_they_were_written(tmp_path: Path) -> None:
    values = {f"v{at}": value for at, value in enumerate([*hostile(400), "$${", "$$${x}", "%%{", "%%%{if}", "$%{"])}
    plan = planned("[stages.app]\nfrom = 'scratch'\n")
    (target,) = plan.targets
    definition = render(attrs.evolve(plan, targets=(attrs.evolve(target, labels=values),)), {}, {})
    file = tmp_path / "docker-bake.json"
    file.write_text(json.dumps(definition), encoding="utf-8")
    argv = ["docker", "buildx", "bake", "--file", str(file), "--print"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["target"]["app"]["labels"] == {
        # what it prints is a bake file again, in which templates are escaped
        name: value.replace("${", "$${").replace("%{", "%%{")
        for name, value in values.items()
    }


SECRETS = """\
[stages.app]
from = "bare"
secrets = ["1tok", "a-b", "a_b", "proxy", "q", "rev", "token"]
[secrets.1tok]
file = "first"
[secrets.a-b]
file = "~/none"
[secrets.a_b]
file = "~/none"
[secrets.q]
file = "q,b.txt"
[secrets.rev]
env = "REVISION"
[secrets.token]
env = "TOKEN"
file = "~/none"
"""
ALWAYS = {"1tok": "first", "q": "q,b.txt"}


@pytest.mark.parametrize(
    ("env", "found"),
    [
        ({}, {}),
        ({"TOKEN": "t", "https_proxy": "p"}, {"token": "TOKEN", "https-proxy": "https_proxy"}),
        ({"HTTPS_PROXY": "p", "TOKEN": ""}, {"https-proxy": "HTTPS_PROXY"}),
        ({"TOKEN": "t", "TOKEN_FILE": "other"}, {"token": "TOKEN"}),
        ({"A_B_FILE": 'o"t,er', "Ax5f_B_FILE": "other"}, {"a-b": 'o"t,er', "a_b": "other"}),
        ({"REVISION": "secret"}, {"rev": "REVISION"}),
        ({"REVISION_": "abc123"}, {}),
    ],
)
def test_bake_finds_the_secrets_that_there_are_and_no_others(
    env: dict[str, str], found: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "docker-bake.json").write_text(json.dumps(portable(planned(SECRETS))), encoding="utf-8")
    for name in ("first", "q,b.txt", 'o"t,er', "other"):
        (tmp_path / name).write_text("x", encoding="utf-8")
    argv = ["docker", "buildx", "bake", "--file", "docker-bake.json", "--print"]
    around = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")} | env
    done = subprocess.run(argv, cwd=tmp_path, env=around, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    app = json.loads(done.stdout)["target"]["app"]
    told = {one["id"]: one.get("env") or one["src"] for one in app.get("secret", ())}
    assert told == ALWAYS | found
    assert app["labels"].get("org.opencontainers.image.revision") == env.get("REVISION_")
