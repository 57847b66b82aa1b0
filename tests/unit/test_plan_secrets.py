"""Secrets: how steps get them, and where this machine is asked for them."""

from __future__ import annotations

from helpers.plans import planned, steps

from buildspec.plan.model import Mount, Plan, PlannedSecret, Run, Verbatim


def plan(secrets: str, table: str = "") -> Plan:
    text = f'[stages.app]\nfrom = "node"\nruns-on = "target"\nsecrets = [{secrets}]\nrun = ["true"]\n'
    return planned(text + table)


def mounts(secrets: str, table: str = "") -> tuple[Mount, ...]:
    (run,) = steps(plan(secrets, table), "app")
    assert isinstance(run, Run)
    return run.mounts


def wanted(secrets: str, table: str = "") -> dict[str, PlannedSecret]:
    return {one.id: one for one in plan(secrets, table).secrets}


def test_a_declared_secret_is_a_file_under_run_secrets() -> None:
    assert mounts('"token"', '[secrets.token]\nenv = "TOKEN"\n') == (
        Mount(id="token", target="/run/secrets/token", required=True),
    )


def test_a_declared_secret_goes_where_it_is_wanted() -> None:
    table = '[secrets.token]\nfile = "t"\ntarget = "/root/.t"\nas-env = ["T", "U"]\noptional = true\n'
    assert mounts('"token"', table) == (
        Mount(id="token", target="/root/.t"),
        Mount(id="token", env="T"),
        Mount(id="token", env="U"),
    )


def test_a_secret_that_is_wanted_as_a_variable_is_no_file() -> None:
    assert mounts('"token"', '[secrets.token]\nenv = "T"\nas-env = ["T"]\n') == (
        Mount(id="token", env="T", required=True),
    )


def test_the_well_known_ones_need_no_table_and_are_optional() -> None:
    found = mounts('"npmrc", "ca-bundle", "proxy", "npmrc"')
    assert found[0] == Mount(id="npmrc", target="/root/.npmrc")
    assert [one.env for one in found if one.id == "ca-bundle-path"] == [
        "NODE_EXTRA_CA_CERTS",
        "SSL_CERT_FILE",
        "REQUESTS_CA_BUNDLE",
        "GIT_SSL_CAINFO",
        "npm_config_cafile",
    ]
    assert [one.env for one in found if one.id.endswith("-proxy")] == ["http_proxy", "https_proxy", "no_proxy"]
    assert not any(one.required for one in found)


def test_a_fragments_runs_get_the_stages_secrets_and_its_other_instructions_none() -> None:
    text = '[stages.app]\nfrom = "node"\nsecrets = ["npmrc"]\n'
    found = steps(planned(text, {"app": 'ARG A=1\nRUN a\nSHELL ["/bin/sh", "-c"]\nrun b\n'}), "app")
    assert [bool(one.mounts) for one in found if isinstance(one, Verbatim)] == [False, True, False, True]


def test_where_a_declared_secret_is_looked_for() -> None:
    found = wanted('"token"', '[secrets.token]\nenv = "TOKEN"\nfile = "~/token"\n')["token"]
    assert (found.env, found.files, found.optional, found.needed_by) == (("TOKEN",), ("~/token",), False, "app")


def test_where_the_well_known_ones_are_looked_for() -> None:
    found = wanted('"npmrc", "ca-bundle", "proxy"')
    assert list(found) == ["ca-bundle", "ca-bundle-path", "npmrc", "http-proxy", "https-proxy", "no-proxy"]
    assert (found["npmrc"].file_env, found["npmrc"].files) == (("NPM_CONFIG_USERCONFIG",), ("~/.npmrc",))
    assert found["https-proxy"].env == ("https_proxy", "HTTPS_PROXY")
    assert found["ca-bundle"].file_env[0] == "BUILDSPEC_CA_BUNDLE"
    assert found["ca-bundle-path"].constant == "/run/secrets/ca-bundle"


def test_a_table_replaces_what_is_well_known() -> None:
    found = wanted('"npmrc"', '[secrets.npmrc]\nfile = "ci.npmrc"\n')
    assert (found["npmrc"].files, found["npmrc"].optional) == (("ci.npmrc",), False)


def test_a_secret_says_which_stages_need_it() -> None:
    table = '[secrets.t]\nenv = "T"\n[stages.check]\nfrom = "app"\ngate = "test"\nsecrets = ["t"]\nrun = ["x"]\n'
    assert wanted('"t"', table)["t"].needed_by == "app, check"


def test_a_secret_that_no_step_mounts_is_not_looked_for() -> None:
    assert wanted("", '[secrets.t]\nenv = "T"\n') == {}
