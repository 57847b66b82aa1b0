"""No value changes its meaning on its way through a real BuildKit into an image."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import attrs
import pytest
from helpers.plans import planned

from buildspec.render.bake import render
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
