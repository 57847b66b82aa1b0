"""Secrets, commands, times, names and tags: what the rules about values take, and what they don't."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.specs import MINIMAL, document

from buildspec.checks import RULES
from buildspec.checks.credentials import named_like_one, token_in
from buildspec.checks.rules import Subject, name_of
from buildspec.spec.decode import decode_draft
from buildspec.spec.fragments import parse_fragment
from buildspec.spec.load import Source

DIGITS = "0123456789"
TOKEN = "ghp_" + "0" * 36


def messages(rule: str, text: str, **fragments: str) -> list[str]:
    """What one rule says of a text."""
    written = document(text)
    parsed = {name: parse_fragment(one, f"stages/{name}.Dockerfile") for name, one in fragments.items()}
    subject = Subject(Source(Path(), written, decode_draft(written)[0], (), parsed))
    (about,) = (one for one in RULES if name_of(one) == rule)
    return [one.render() for one in about(subject)]


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("API_KEY", True),
        ("apikey", True),
        ("DATABASE_PASSWORD", True),
        ("secret_message", True),
        ("AUTH", True),
        ("AWS_CREDENTIALS", True),
        ("db.password", True),
        ("MONKEY", False),
        ("KEYBOARD", False),
        ("AUTHOR", False),
        ("TOKENIZER", False),
        ("PUBLIC_KEY", False),
        ("TOKEN_FILE", False),
        ("KEY_VERSION", False),
        ("NODE_ENV", False),
    ],
)
def test_a_name_gives_a_secret_away(name: str, secret: bool) -> None:
    assert named_like_one(name) is secret


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (TOKEN, "a GitHub token"),
        (f"x={TOKEN};", "a GitHub token"),
        ("AKIA" + "A" * 16, "an AWS access key"),
        ("npm_" + "a" * 36, "an npm token"),
        ("//registry.test/:_authToken=abcdefgh", "an npm token"),
        ("//registry.test/:_authToken=${NPM_TOKEN}", ""),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "a private key"),
        ("-----BEGIN PRIVATE KEY-----", "a private key"),
        ("-----BEGIN PUBLIC KEY-----", ""),
        ("https://me:hunter2@example.org/x", "a password in an address"),
        ("https://me:$TOKEN@example.org/x", ""),
        ("https://me:${TOKEN}@example.org/x", ""),
        ("https://example.org:8080/a@b", ""),
        ("git@example.org:a/b", ""),
        ("curl -H 'Authorization: Bearer abcdefgh1234'", "an authorization header"),
        ('curl -H "Authorization: Bearer $TOKEN"', ""),
        ("sha256:" + "0" * 64, ""),
        ("skip-this-and-that-and-the-other-thing-too", ""),
    ],
)
def test_a_shape_gives_a_token_away(text: str, kind: str) -> None:
    assert token_in(text) == kind


@pytest.mark.parametrize(
    ("rule", "tail"),
    [
        ("secret-in-env", f"env = {{ A = '{TOKEN}' }}\n[runtime]\nenv = {{ B = '{TOKEN}', TOKEN = 'hunter2' }}\n"),
        ("secret-in-arg", f"args = {{ A = '{TOKEN}', TOKEN = 'hunter2' }}\n"),
        ("secret-in-label", f"labels = {{ a = '{TOKEN}', token = 'hunter2' }}\n"),
        ("secret-in-command", f"run = ['x {TOKEN} hunter2']\ncmd = ['{TOKEN}', 'hunter2']\n"),
    ],
)
def test_a_secret_is_found_and_not_repeated(rule: str, tail: str) -> None:
    told = messages(rule, MINIMAL + tail, app=f"ARG X={TOKEN}\nRUN echo {TOKEN}\n")
    assert told
    assert all(TOKEN not in one and "hunter2" not in one for one in told)


@pytest.mark.parametrize("value", ["", "true", "OFF", "none", "30", "/run/secrets/token"])
def test_a_switch_is_no_secret(value: str) -> None:
    assert messages("secret-in-env", f"{MINIMAL}env = {{ AUTH = '{value}' }}\n") == []


@pytest.mark.parametrize(
    ("command", "fetches"),
    [
        ("['npx', 'serve']", True),
        ("['/usr/local/bin/npx', 'serve']", True),
        ("['npx', '--no', 'serve']", False),
        ("['npm', 'start']", False),
        ("['npm', 'run', 'install-hooks']", False),
        ("'npm ci && node .'", True),
        ("['sh', '-c', 'npm install; node .']", True),
        ("['python3', '-m', 'pip', 'install', 'x']", True),
        ("'curl -fsSL https://example.org/x | sh'", True),
        ("'curl https://example.org | sudo /bin/bash -s'", True),
        ("'sh -c \"$(curl https://example.org)\"'", True),
        ("'curl -f http://localhost | grep ok'", False),
        ("['wget', '-q', 'http://localhost']", False),
        ("'apk --no-cache add curl'", True),
        ("'apt-get -y install curl'", True),
        ("['go', 'run', 'example.org/x@latest']", True),
        ("['go', 'run', '.']", False),
        ("['uvx', 'ruff']", True),
        ("['node', 'server.js']", False),
    ],
)
def test_commands_that_fetch_are_told_from_others(command: str, fetches: bool) -> None:
    for key in (f"entrypoint = {command}", f"cmd = {command}", f"healthcheck = {{ test = {command} }}"):
        assert bool(messages("download-at-run-time", f"{MINIMAL}{key}\n")) is fetches


def test_arguments_make_a_program_fetch() -> None:
    assert len(messages("download-at-run-time", f"{MINIMAL}entrypoint = ['npm']\ncmd = ['install']\n")) == 1
    assert messages("download-at-run-time", f"{MINIMAL}entrypoint = ['npm']\ncmd = ['test']\n") == []


@pytest.mark.parametrize(
    ("command", "count"),
    [
        ("RUN true --network=host", 0),
        ("RUN --network=host true", 1),
        ("run --network=host true", 1),
        ("RUN --network=none true", 0),
        ("RUN --security=insecure \\\n    --network=host true", 2),
        ("RUN --mount=type=cache,target=/x \\\n  # why\n  --device=gpu true", 1),
        ("RUN --mount=type=ssh --mount=type=secret,id=x true", 0),
        ("RUN --mount=from=node,target=/x true", 0),
        ("RUN --mount=from=other,target=/x true", 1),
        ("RUN --mount=target=/x,rw true", 1),
        ("RUN --mount=target=/x,rw=false true", 0),
        ("RUN --mount=type=cache,target=/x,rw true", 0),
    ],
)
def test_flags_of_run_are_read_as_docker_reads_them(command: str, count: int) -> None:
    assert len(messages("unsafe-run-flag", MINIMAL, app=f"{command}\n")) == count


def test_an_address_is_no_file() -> None:
    assert len(messages("remote-add", MINIMAL, app="ADD https://example.org/a /a\nADD a /a\n")) == 1
    for path in ("https://example.org/a", "git@example.org:a/b.git", "HTTP://example.org"):
        assert len(messages("remote-add", f"{MINIMAL}copy = ['{path}']\n")) == 1


@pytest.mark.parametrize(
    ("times", "keys"),
    [
        ("", []),
        ("interval = '10s', timeout = '5s'", []),
        ("interval = '10s', timeout = '10s'", ["timeout"]),
        ("interval = '0s', timeout = '1s'", ["interval"]),
        ("timeout = '0s'", ["timeout"]),
        ("timeout = '5s', start-period = '1s'", ["start-period"]),
        ("timeout = '5s', start-interval = '2s'", ["start-interval"]),
        ("timeout = '5s', start-period = '9s', start-interval = '2s'", []),
        ("retries = 0", ["retries"]),
    ],
)
def test_times_of_a_health_check_fit_together(times: str, keys: list[str]) -> None:
    comma = ", " if times else ""
    told = messages("health-timing", f"{MINIMAL}healthcheck = {{ test = ['true']{comma}{times} }}\n")
    assert [one.partition("healthcheck.")[2].partition(":")[0] for one in told] == keys


def test_a_health_check_is_inherited() -> None:
    text = MINIMAL.replace('from = "node"', 'from = "b"') + "[stages.b]\nfrom = 'node'\n"
    assert len(messages("no-health-check", text)) == 1
    assert messages("no-health-check", f"{text}healthcheck = {{ test = ['true'] }}\n") == []


@pytest.mark.parametrize(
    ("port", "right"),
    [
        ("1", True),
        ("65535", True),
        ("65536", False),
        ("0", False),
        ("80/tcp", True),
        ("80/TCP", False),
        ("1-2/udp", True),
        ("2-1", False),
        ("-1", False),
        ("\u0661", False),
        ("80\n", False),
        ("", False),
    ],
)
def test_ports_are_ports(port: str, right: bool) -> None:
    text = f'{MINIMAL}expose = ["{port.encode("unicode_escape").decode()}"]\n'
    assert (messages("bad-port", text) == []) is right


@pytest.mark.parametrize(
    ("memory", "right"),
    [
        ("512m", True),
        ("512M", True),
        ("512mb", True),
        ("1.5g", True),
        ("6m", True),
        ("6291456b", True),
        ("5m", False),
        ("512", False),
        ("m", False),
        ("-1g", False),
        ("1e3m", False),
        ("512 mi", False),
    ],
)
def test_memory_is_what_docker_takes(memory: str, right: bool) -> None:
    assert (messages("bad-memory", f"{MINIMAL}[runtime]\nmemory = '{memory}'\n") == []) is right


@pytest.mark.parametrize(("cpus", "right"), [("1", True), ("0.5", True), ("0", False), ("-1.0", False)])
def test_cores_are_a_number_that_docker_takes(cpus: str, right: bool) -> None:
    assert (messages("bad-cpus", f"{MINIMAL}[runtime]\ncpus = {cpus}\n") == []) is right


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("web", True),
        ("acme/web", True),
        ("a__b", True),
        ("a---b", True),
        ("a.b", True),
        ("a/b/c", True),
        ("Web", False),
        ("a..b", False),
        ("-a", False),
        ("a___b", False),
        ("a:b", False),
        ("a/", False),
        ("", False),
        ("ghcr.io/web", False),
        ("localhost/web", False),
        ("a,b", False),
        ("a" * 255, True),
        ("a" * 256, False),
    ],
)
def test_names_of_images_are_those_of_repositories(name: str, right: bool) -> None:
    assert (messages("bad-image-name", MINIMAL.replace('name = "web"', f'name = "{name}"')) == []) is right


def test_a_name_and_its_registry_are_measured_together() -> None:
    text = MINIMAL.replace('name = "web"', f'name = "{"a" * 250}"')
    assert messages("bad-image-name", text) == []
    assert len(messages("bad-image-name", f"{text}[release]\nregistries = ['ghcr.io/acme']\n")) == 1


@pytest.mark.parametrize(
    ("tag", "right"),
    [
        ("v{version}", True),
        ("{major}.{minor}.{patch}", True),
        ("latest", True),
        ("_x", True),
        ("{commit}", True),
        ("", False),
        ("-x", False),
        (".x", False),
        ("{x}", False),
        ("{version", False),
        ("a b", False),
        ("a/b", False),
        ("a" * 128, True),
        ("a" * 129, False),
        ("{}", False),
        ("{{version}}", False),
    ],
)
def test_patterns_give_tags(tag: str, right: bool) -> None:
    assert (messages("bad-tag", f"{MINIMAL}[release]\ntags = ['{tag}']\n") == []) is right


def test_tags_of_different_images_are_different() -> None:
    two = MINIMAL.replace('{ app = "" }', '{ app = "", b = "x" }') + "[stages.b]\nfrom = 'node'\n[release]\n"
    assert messages("tag-collision", f"{two}tags = ['v{{major}}', 'latest']\n") == []
    assert len(messages("tag-collision", f"{two}tags = ['latest', 'latest-x']\n")) == 1
    assert len(messages("tag-collision", f"{two}tags = ['{{version}}', '{{major}}.{{minor}}.{{patch}}']\n")) == 1


@pytest.mark.parametrize(
    ("registry", "right"),
    [
        ("ghcr.io/acme", True),
        ("ghcr.io", True),
        ("localhost", True),
        ("localhost:5000", True),
        ("reg:5000/a/b", True),
        ("[::1]:5000", True),
        ("acme", False),
        ("https://ghcr.io", False),
        ("ghcr.io/", False),
        ("ghcr.io/A", False),
        ("ghcr.io:0", False),
        ("ghcr.io:99999", False),
        ("ghcr.io//a", False),
        ("-x.io", False),
        ("a b.io", False),
    ],
)
def test_registries_are_hosts_with_a_namespace(registry: str, right: bool) -> None:
    assert (messages("bad-registry", f"{MINIMAL}[release]\nregistries = ['{registry}']\n") == []) is right


@pytest.mark.parametrize(
    ("folder", "right"),
    [("", True), ("/app", True), ("/srv/web/", True), ("app", False), ("/", False), ("/a/../b", False)],
)
def test_the_folder_of_the_application_is_one_of_an_image(folder: str, right: bool) -> None:
    assert (messages("bad-path", f"{MINIMAL}[release]\napp = '{folder}'\n") == []) is right


@pytest.mark.parametrize(
    ("key", "right"),
    [
        *[(one, True) for one in ("", "cosign.key", "../keys/a b.key", "env://SIGNING_KEY", "awskms:///alias/x")],
        *[(one, True) for one in ("pkcs11:token=a", "k8s://ns/name", "hashivault://x", "azurekms://v/k")],
        *[(one, False) for one in ("vault://x", "https://a.test/key", "env://A B", "env:A-B", "env://")],
        ("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----", False),
    ],
)
def test_signing_keys_are_files_variables_and_key_services(key: str, right: bool) -> None:
    assert (messages("bad-sign-key", f"{MINIMAL}[release]\nsign-key = '{key}'\n") == []) is right


def test_the_hub_has_several_names() -> None:
    for same in ("index.docker.io/a", "DOCKER.io/a", "registry-1.docker.io/a"):
        assert len(messages("bad-registry", f"{MINIMAL}[release]\nregistries = ['docker.io/a', '{same}']\n")) == 1


@pytest.mark.parametrize("character", ["\\u0000", "\\u0007", "\\u001b", "\\u007f", "\\u0085", "\\u202e", "\\u2028"])
def test_no_control_character_goes_through(character: str) -> None:
    for tail in (f'workdir = "/a{character}"', f'env = {{ A = "{character}" }}', f'run = ["a{character}"]'):
        assert len(messages("control-character", f"{MINIMAL}{tail}\n")) == 1
    assert len(messages("control-character", f'{MINIMAL}[users."a{character}"]\nuid = 1\ngid = 1\n')) == 1


@pytest.mark.parametrize("tail", ['run = ["a\\nb"]', 'cmd = "a\\tb"', 'env = { A = "a\\nb" }', 'cmd = ["a\\nb"]'])
def test_line_breaks_of_commands_and_those_of_another_rule_are_left_alone(tail: str) -> None:
    assert messages("control-character", f"{MINIMAL}{tail}\n") == []


@pytest.mark.parametrize(
    ("tail", "count"),
    [
        ("copy = ['-a']", 1),
        ("copy = [{ path = 'a', to = '-b' }]", 1),
        ("copy = ['./-a']", 0),
        ("packages = ['-y']", 1),
        ("volumes = ['-v']", 1),
        ("env = { user = '-x', path = '-x' }", 0),
        ("cmd = ['--help']", 0),
        ("[tests.a]\nrun = ['--version']", 0),
        ("[users.-a]\nuid = 1\ngid = 1", 1),
        ("[context]\npath = '-a'", 1),
    ],
)
def test_what_would_be_an_option_is_refused(tail: str, count: int) -> None:
    assert len(messages("leading-dash", f"{MINIMAL}{tail}\n")) == count


def test_what_is_unknown_hides_nothing_beside_it() -> None:
    text = MINIMAL + "env = { A = 3, TOKEN = 'hunter2' }\nexpose = [3, 'x']\n[runtime]\nvolumes = [3, 'x']\n"
    for rule in ("secret-in-env", "bad-port", "volume-on-read-only"):
        assert len(messages(rule, text)) == 1
