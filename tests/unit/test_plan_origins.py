"""A file of an image is traced back to the stage that made it, a layer to its instruction."""

from __future__ import annotations

import pytest
from helpers.plans import planned

from buildspec.plan.origins import steps_of_layers, trace

PLAN = planned(
    '[stages.sources]\nfrom = "node"\nruns-on = "build"\nworkdir = "/app"\ncopy = ["."]\n'
    '[stages.modules]\nfrom = "node"\nruns-on = "build"\nworkdir = "/app"\nrun = ["npm ci"]\n'
    '[stages.bundle]\nfrom = "sources"\nrun = ["npm run bundle"]\n'
    'copy = [{ from = "modules", path = "node_modules", to = "./node_modules" }]\n'
    '[stages.middle]\nfrom = "bare"\nworkdir = "/app"\nusers = ["web"]\n'
    'copy = [{ from = "bundle", path = "/app", to = "/app" }, { from = "sources", path = "a.json", to = "./etc/" }]\n'
    '[stages.app]\nfrom = "bare"\ncopy = [{ from = "middle", path = "/app", to = "/srv" }]\n'
)


@pytest.mark.parametrize(
    ("path", "stage"),
    [
        ("/srv/dist/cli.js", "bundle"),
        ("/srv/node_modules/a/a.node", "modules"),
        ("/srv/etc/a.json", "sources"),
        ("/usr/bin/node", "bare"),
        ("/srvx", "bare"),
    ],
)
def test_a_path_leads_to_the_stage_that_made_it(path: str, stage: str) -> None:
    assert trace(PLAN, "app", path).stage == stage


def test_files_that_we_write_come_from_their_own_stage() -> None:
    found = trace(PLAN, "middle", "/etc/passwd")
    assert found.stage == "middle"
    assert found.origin is not None
    assert found.origin.key == "stages.middle.users"


def test_layers_are_counted_from_the_end_since_the_base_has_its_own() -> None:
    base: list[dict[str, object]] = [{"created_by": "base"}, {"created_by": "ENV", "empty_layer": True}]
    own: list[dict[str, object]] = [{"created_by": "COPY /app /srv"}]
    assert steps_of_layers(PLAN, "app", [*base, *own])[1].origin.key == "stages.app.copy"
    assert 0 not in steps_of_layers(PLAN, "app", [*base, *own])
    assert steps_of_layers(PLAN, "app", []) == {}
