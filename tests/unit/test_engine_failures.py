"""A failed build: the step, its output and its place, or what the machine lacks."""

from __future__ import annotations

import pytest
from helpers.plans import planned
from helpers.progress import CANCELLED, excerpt, failed, follow, log, vertex

from buildspec.engine import failures
from buildspec.errors import BuildspecError, MachineError, StepError
from buildspec.plan.model import Plan
from buildspec.render.dockerfile import render

PLAN = planned(
    '[stages.deps]\nfrom = "node"\nruns-on = "build"\n'
    '[stages.check]\nfrom = "deps"\ngate = "test"\nrun = ["npm test"]\n'
    '[stages.advise]\nfrom = "deps"\ngate = "audit"\nrun = ["npm audit"]\n'
    '[stages.app]\nfrom = "bare"\ncopy = ["missing.txt"]\n',
    {"deps": "# first\nRUN npm ci && \\\n    true\nRUN npm prune\n"},
)
CI = "[app deps 2/3] RUN npm ci &&     true"
PRUNE = "[app deps 3/3] RUN npm prune"


def explained(*lines: str, plan: Plan = PLAN) -> BuildspecError:
    progress, _ = follow(list(lines), {"deps": "linux/amd64"})
    return failures.explain(plan, render(plan), progress)


def test_a_failed_step_is_told_with_its_output_and_its_place_in_the_fragment() -> None:
    error = explained(
        vertex("a", PRUNE, 1),
        log("a", "why\n"),
        vertex("a", PRUNE, 1, 2, error=failed("npm prune", 1)),
        "ERROR: target app: failed to solve: " + failed("npm prune", 1),
    )
    assert isinstance(error, StepError)
    assert error.message.splitlines() == [
        "stage 'deps' failed for linux/amd64: exit code 1",
        "  stages/deps.Dockerfile:4:1",
        "    4 | RUN npm prune",
        "      | ^^^^^^^^^^^^^",
        "its output:",
        "  why",
    ]
    assert error.fix == "nothing was tagged"


def test_long_output_is_cut_to_its_end() -> None:
    error = explained(
        vertex("a", CI, 1),
        log("a", "".join(f"line {n}\n" for n in range(60))),
        vertex("a", CI, 1, 2, error=failed("npm ci", 3)),
    )
    lines = error.message.splitlines()
    assert lines[-41:-39] == ["the last 40 lines of its output:", "  line 20"]
    assert lines[-1] == "  line 59"


def test_a_step_that_was_stopped_for_another_is_not_blamed() -> None:
    error = explained(
        vertex("a", CI, 1, 2, error=failed("npm ci", 137) + CANCELLED),
        vertex("b", "[check check 2/2] RUN npm test", 1, 2, error=failed("npm test", 1)),
    )
    first, second = error.message.splitlines()[:2]
    assert first == "test gate 'check' failed: exit code 1"
    assert second.endswith(" (stages.check.run)")


def test_the_exit_code_is_the_commands_not_one_it_speaks_of() -> None:
    command = "echo did not complete successfully: exit code: 5; exit 3"
    assert "exit code 3" in explained(vertex("a", CI, 1, 2, error=failed(command, 3))).message


def test_an_audit_that_could_not_ask_says_so_and_how_to_let_it_pass() -> None:
    error = explained(vertex("a", "[advise advise 2/2] RUN npm audit", 1, 2, error=failed("npm audit", 69)))
    assert error.message.startswith("audit gate 'advise': the service could not be asked, so nothing is known\n")
    assert error.fix == 'nothing was tagged; stages.advise.on-unavailable = "warn" lets a build pass'


@pytest.mark.parametrize(("stage", "code"), [("advise", 1), ("check", 69), ("deps", 69)])
def test_only_an_audits_own_exit_code_means_that(stage: str, code: int) -> None:
    error = explained(vertex("a", f"[x {stage} 2/2] RUN x", 1, 2, error=failed("x", code)))
    assert f"exit code {code}" in error.message
    assert error.fix == "nothing was tagged"


def test_an_instruction_that_cannot_be_done_is_told_with_buildkits_reason() -> None:
    reason = 'failed to calculate checksum of ref x::y: "/missing.txt": not found'
    error = explained(
        vertex("a", "[app linux/arm64 app 2/2] COPY missing.txt ./missing.txt", 1, 2, error=reason),
        *excerpt(9, "COPY missing.txt ./missing.txt"),
        f"ERROR: target app: failed to solve: failed to compute cache key: {reason}",
    )
    assert isinstance(error, StepError)
    assert error.message.splitlines()[0] == f"stage 'app' failed for linux/arm64: {reason}"
    assert "(stages.app.copy)" in error.message


def test_a_step_whose_number_says_nothing_is_found_by_the_line_buildx_names() -> None:
    line = render(PLAN).text.splitlines().index("COPY missing.txt ./missing.txt") + 1
    error = explained(vertex("a", "[app app 9/9] COPY x", 1, 2, error="wrong"), *excerpt(line, "COPY x"))
    assert "(stages.app.copy)" in error.message


def test_a_step_of_unknown_origin_is_told_as_buildkit_names_it() -> None:
    error = explained(vertex("a", "[app app 9/9] RUN x\nmore", 1, 2, error="wrong"))
    assert error.message.splitlines() == ["stage 'app' failed: wrong", "  RUN x"]


def test_a_helper_stage_is_told_by_the_stage_it_helps() -> None:
    plan = planned('[stages.app]\nfrom = "node"\npackages = ["curl"]\n')
    name = '[app app.packages 2/2] RUN --mount=type=cache,target=/c     <<"EOF" (set -eu...)'
    error = explained(vertex("a", name, 1, 2, error=failed("set -eu", 1)), plan=plan)
    assert error.message.startswith("stage 'app' failed: exit code 1\n  buildspec.toml:")
    assert "(stages.app.packages)" in error.message


# --- the machine ---------------------------------------------------------------------------------------------

REFUSED = 'failed to do request: Head "https://r.test/v2/": dial tcp: connect: connection refused'


@pytest.mark.parametrize(
    ("said", "means", "fix"),
    [
        (
            f"ERROR: failed to solve: r.test/n:1: failed to resolve source metadata for r.test/n:1: {REFUSED}",
            "the base r.test/n:1 can't be fetched",
            "--profile debian",
        ),
        ("ERROR: pull access denied, repository does not exist", "the base can't be fetched", "check its name"),
        ("ERROR: write /var/lib/docker/x: no space left on device", "the engine's disk is full", "docker buildx prune"),
        (
            "ERROR: failed to receive status: rpc error: error reading from server: EOF",
            "the engine went away",
            "its log",
        ),
        (
            "ERROR: Cannot connect to the Docker daemon at unix:///x. Is it running?",
            "the engine went away",
            "scripts/engine",
        ),
        ("ERROR: additional privileges requested", "buildx asks for a permission", "lines above"),
    ],
)
def test_what_the_machine_lacks_is_told_with_the_way_out(said: str, means: str, fix: str) -> None:
    error = explained(vertex("a", "[internal] load metadata for r.test/n:1", 1, 2, error=REFUSED[:9]), said)
    assert isinstance(error, MachineError)
    assert error.message.startswith(means)
    assert f"  {said}" in error.message
    assert fix in error.fix


def test_a_base_that_cannot_be_fetched_is_known_by_the_steps_error_alone() -> None:
    error = explained(vertex("a", "[internal] load metadata for r.test/n:1", 1, 2, error=REFUSED))
    assert isinstance(error, MachineError)
    assert error.message.startswith("the base can't be fetched:")


def test_words_in_the_dockerfile_around_a_failure_are_not_its_reason() -> None:
    error = explained(
        vertex("a", "[app app 2/2] COPY missing.txt ./missing.txt", 1, 2, error="not found"),
        "  7 |     RUN echo no space left on device",
        "ERROR: target app: failed to solve: not found",
    )
    assert isinstance(error, StepError)


def test_a_failed_command_is_a_step_whatever_it_says() -> None:
    error = explained(vertex("a", CI, 1, 2, error=failed("echo no space left on device; exit 1", 1)))
    assert isinstance(error, StepError)


def test_what_nobody_has_seen_before_is_told_as_buildx_tells_it() -> None:
    error = explained("something new", "ERROR: odd")
    assert isinstance(error, StepError)
    assert error.message == "buildx failed:\n  something new\n  ERROR: odd"


# --- what a second attempt helps against -----------------------------------------------------------------------


def attempted(*lines: str) -> failures.Attempt | None:
    progress, _ = follow(list(lines), {"deps": "linux/amd64"})
    return failures.attempt(progress)


GONE = "parent snapshot sha256:c032a7 does not exist: not found"


@pytest.mark.parametrize(
    "said",
    [
        f"ERROR: failed to solve: failed to prepare x as y: {GONE}",
        "ERROR: failed to solve: snapshot  does not exist: not found",
        "ERROR: failed to solve: error committing 5yhg: invalid mutable ref 0xc0: invalid",
        "ERROR: failed to solve: content digest sha256:abc: not found",
        "ERROR: cannot read: failed to mount /tmp/buildkit-mount36: [{Type:bind}]: no such file or directory",
    ],
)
def test_a_cache_that_has_lost_something_is_not_used_again(said: str) -> None:
    assert attempted(said) == failures.Attempt("something of BuildKit's cache is gone", cache=False)


def test_a_crash_of_the_emulator_is_tried_again() -> None:
    crashed = log("a", "qemu: uncaught target signal 11 (Segmentation fault) - core dumped\n")
    step = [vertex("a", CI, 1), crashed, vertex("a", CI, 1, 2, error=failed("npm ci", 139))]
    assert attempted(*step) == failures.Attempt("the emulator crashed", cache=True)


@pytest.mark.parametrize(
    "lines",
    [
        [vertex("a", CI, 1), log("a", f"{GONE}\n"), vertex("a", CI, 1, 2, error=failed("npm ci", 1))],
        ['ERROR: failed to solve: failed to compute cache key: "/missing.txt": not found'],
        ["ERROR: no space left on device"],
    ],
)
def test_what_would_fail_again_is_not_tried_again(lines: list[str]) -> None:
    assert attempted(*lines) is None


def test_a_builder_that_is_gone_is_told() -> None:
    error = explained('ERROR: no builder "mine" found')
    assert isinstance(error, MachineError)
    assert error.message.startswith("the builder is gone:")
