"""Tests of images: what is held against a container, and what is said of one that fails."""

from __future__ import annotations

import time
from pathlib import Path

import attrs
import pytest
from helpers.containers import ENDED, FakeContainers
from helpers.plans import AMD64, ARM64
from helpers.specs import MINIMAL, decoded

from buildspec.engine.container import Found
from buildspec.errors import MachineError
from buildspec.gates.testing import Image, TestResult, run_tests
from buildspec.spec.model import Spec

IMAGES = [
    Image(stage="app", index="sha256:i", platform=AMD64, digest="sha256:a"),
    Image(stage="app", index="sha256:i", platform=ARM64, digest="sha256:b"),
    Image(stage="other", index="sha256:o", platform=AMD64, digest="sha256:c"),
]


def spec(test: str) -> Spec:
    return decoded(f"{MINIMAL}\n[tests.t]\n{test}\n")


def run(test: str, containers: FakeContainers, images: list[Image] = IMAGES[:1]) -> tuple[TestResult, ...]:
    return run_tests(spec(test), images, containers, Path())


def problems(test: str, containers: FakeContainers) -> tuple[str, ...]:
    (result,) = run(test, containers)
    assert containers.removed == [one.name for one in containers.made], "a container is left"
    return result.problems


def test_every_test_is_run_against_every_image_it_is_about() -> None:
    containers = FakeContainers()
    assert [(one.image.stage, one.image.platform) for one in run('run = ["x"]', containers, IMAGES)] == [
        ("app", AMD64),
        ("app", ARM64),
        ("other", AMD64),
    ]
    assert len(run('image = "other"', FakeContainers(), IMAGES)) == 1
    assert len({one.name for one in containers.made}) == 3
    assert {one.image for one in containers.made} == {"sha256:i", "sha256:o"}


def test_containers_of_an_earlier_run_are_removed_first() -> None:
    containers = FakeContainers(left=("old-1", "old-2"))
    run("", containers)
    assert containers.removed[:2] == ["old-1", "old-2"]


SAYS = FakeContainers(out="one\ntwo\n", err="careful\n")


@pytest.mark.parametrize(
    "test",
    [
        "",
        'stdout = "two"',
        'stdout = { equals = "one\\ntwo" }',
        'stdout = { equals = "one\\ntwo\\n" }',
        'stdout = { matches = "^t.o$", contains = ["one", "two"] }',
        'stderr = "careful"',
        'stdout = ""',
    ],
)
def test_what_is_as_it_should_be_is_no_problem(test: str) -> None:
    assert problems(test, attrs.evolve(SAYS, made=[], removed=[])) == ()


@pytest.mark.parametrize(
    ("test", "problem"),
    [
        ("exit = 3", "ended with code 0, not 3"),
        ('stdout = "three"', "standard output doesn't contain 'three'"),
        ('stderr = { matches = "^two" }', "standard error doesn't match '^two'"),
        (
            'stdout = { equals = "one\\nthree" }',
            "standard output is another text:\n  --- expected\n  +++ got\n  @@ -1,2 +1,2 @@\n   one\n  -three\n  +two",
        ),
        ('stdout = { equals = "" }', "standard output is another text:\n  --- expected\n  +++ got\n  @@ -0,0 +1,2 @@"),
    ],
)
def test_what_is_not_is_told_with_the_difference(test: str, problem: str) -> None:
    (told,) = problems(test, attrs.evolve(SAYS, made=[], removed=[]))
    assert told.startswith(problem)


def test_a_difference_in_a_carriage_return_alone_is_one() -> None:
    (told,) = problems('stdout = { equals = "a\\nb" }', FakeContainers(out="a\r\nb\n"))
    assert "  -a\n" in told
    assert "  +a\r\n" in told


def test_a_pattern_that_never_comes_to_an_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("buildspec.gates.testing._LONGEST_SEARCH", 0.5)
    start = time.monotonic()
    (told,) = problems('stdout = { matches = "^(a+)+$" }', FakeContainers(out="a" * 60 + "b"))
    assert time.monotonic() - start < 10
    assert told == "'^(a+)+$' takes longer than 0.5 s on standard output; write a simpler pattern"


def test_a_long_difference_is_cut_off() -> None:
    (told,) = problems('stdout = { equals = "" }', FakeContainers(out="x\n" * 500))
    assert len(told.splitlines()) == 42
    assert told.endswith("…")


def test_one_that_needs_too_much_memory_is_told_so() -> None:
    state = attrs.evolve(ENDED, code=137, killed_for_memory=True)
    text = f'{MINIMAL}\n[runtime]\nmemory = "64m"\n[tests.t]\nrun = ["x"]\n'
    (result,) = run_tests(decoded(text), IMAGES[:1], FakeContainers(state_=state), Path())
    assert result.problems == ("was killed: it needs more memory than 64m",)


def test_one_that_the_engine_cannot_start_is_told_in_its_words() -> None:
    state = attrs.evolve(ENDED, code=127, error="exec: no such file")
    assert problems("", FakeContainers(state_=state)) == ("the engine could not start it: exec: no such file",)
    never = attrs.evolve(ENDED, started=False)
    assert problems("", FakeContainers(state_=never, err="no\n")) == ("the engine could not start it: no",)


HERE = {"/a": Found(uid=1001, gid=0, mode=0o640, content="hello\n")}


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ('{ "/a" = true, "/b" = false }', ()),
        ('{ "/a" = { owner = "1001:0", mode = "0640", content = "hell" } }', ()),
        ('{ "/a" = { mode = "640", content = { equals = "hello" } } }', ()),
        ('{ "/a" = false, "/b" = true }', ("/a is there", "/b isn't there")),
        ('{ "/a" = { owner = "0:0" } }', ("/a belongs to 1001:0, not to 0:0",)),
        ('{ "/a" = { mode = "0644" } }', ("/a has mode 0640, not 0644",)),
        ('{ "/a" = { content = "bye" } }', ("/a doesn't contain 'bye'",)),
        ('{ "/b" = { mode = "0644" } }', ("/b isn't there",)),
    ],
)
def test_files_are_looked_at_when_it_has_ended(files: str, told: tuple[str, ...]) -> None:
    assert problems(f"files = {files}", FakeContainers(files=HERE)) == told


# --- containers that live --------------------------------------------------------------------------------------


def test_one_that_hangs_is_killed_and_removed() -> None:
    containers = FakeContainers(lives=True)
    assert problems('timeout = "50ms"', containers) == ("did not end within 50ms",)
    assert containers.signals == ["KILL"]


def test_one_that_ends_when_asked_is_fine() -> None:
    containers = FakeContainers(lives=True, ends_on="SIGQUIT", out="ready\n", state_=attrs.evolve(ENDED, code=131))
    assert problems('stop = { after = "ready" }\nexit = 131', containers) == ()
    assert containers.signals == ["SIGQUIT"]


def test_the_signal_may_be_another_than_the_images() -> None:
    containers = FakeContainers(lives=True, ends_on="SIGINT", out="ready\n")
    assert problems('stop = { after = "ready", signal = "INT" }', containers) == ()


def test_one_that_ignores_its_signal_is_killed_and_fails() -> None:
    containers = FakeContainers(lives=True, out="ready\n")
    (told,) = problems('stop = { after = "ready", within = "50ms" }', containers)
    assert told == "did not end within 50ms of SIGQUIT, and was killed"
    assert containers.signals == ["SIGQUIT", "KILL"]


def test_a_test_has_no_more_time_than_it_may_take_however_long_its_end_may() -> None:
    containers = FakeContainers(lives=True, out="ready\n")
    start = time.monotonic()
    (told,) = problems('stop = { after = "ready", within = "60s" }\ntimeout = "100ms"', containers)
    assert time.monotonic() - start < 10
    assert told == "did not end within 100ms, SIGQUIT or not, and was killed"
    assert containers.signals == ["SIGQUIT", "KILL"]


def test_one_that_never_says_what_is_waited_for_fails() -> None:
    (told,) = problems('stop = { after = "ready" }\ntimeout = "50ms"', FakeContainers(lives=True))
    assert told == "did not print 'ready' within 50ms"
    (told,) = problems('stop = { after = "ready" }', FakeContainers(state_=attrs.evolve(ENDED, code=2)))
    assert told == "ended with code 2 without printing 'ready'"


@pytest.mark.parametrize(
    ("health", "lives", "told"),
    [
        ("healthy", True, ()),
        ("starting", True, ("was not healthy within 50ms, but starting; the last check said: no answer",)),
        ("unhealthy", True, ("was not healthy within 50ms, but unhealthy; the last check said: no answer",)),
        ("", True, ("has no health check, so nothing says whether it is healthy",)),
        ("starting", False, ("ended with code 1 before it was healthy; the last check said: no answer",)),
    ],
)
def test_one_that_must_become_healthy(health: str, lives: bool, told: tuple[str, ...]) -> None:
    state = attrs.evolve(ENDED, code=1, health=health, told="no answer")
    assert problems('healthy = "50ms"', FakeContainers(lives=lives, state_=state)) == told


def test_an_engine_that_is_away_ends_all_of_it_and_every_container_is_tried_to_be_removed() -> None:
    containers = FakeContainers(broken="Docker Engine does not answer", lives=True)
    with pytest.raises(MachineError, match="does not answer"):
        run('healthy = "10s"', containers, IMAGES)
    assert containers.removed == [one.name for one in containers.made]


def test_a_test_that_runs_ends_soon_when_another_finds_the_engine_gone() -> None:
    containers = FakeContainers(broken="gone", lives=True)
    text = f'{MINIMAL}\n[tests.hangs]\nrun = ["x"]\n[tests.asks]\nhealthy = "10s"\n'
    start = time.monotonic()
    with pytest.raises(MachineError, match="gone"):
        run_tests(decoded(text), IMAGES[:1], containers, Path())
    assert time.monotonic() - start < 10
    assert sorted(containers.removed) == sorted(one.name for one in containers.made)
