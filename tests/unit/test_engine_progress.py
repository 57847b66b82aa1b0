"""Progress of a build: steps with their times, output and errors, out of what buildx writes."""

from __future__ import annotations

import json

import pytest
from conftest import examples
from helpers.progress import CANCELLED, at, failed, follow, log, vertex
from hypothesis import given
from hypothesis import strategies as st

from buildspec.engine.progress import Step, named

RUN = "[app linux/arm64 deps 2/5] RUN npm ci"


def only(*lines: str, secrets: tuple[str, ...] = ()) -> Step:
    progress, _ = follow(list(lines), secrets=secrets)
    (step,) = progress.steps
    return step


# --- names ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (RUN, ("app", "linux/arm64", "deps", 2, "RUN npm ci")),
        ("[app linux/amd64->arm64 deps 2/5] RUN x", ("app", "linux/amd64", "deps", 2, "RUN x")),
        ("[gate gate  9/12] RUN x", ("gate", "", "gate", 9, "RUN x")),
        ("[linux/arm/v7 deps 2/5] COPY a b", ("", "linux/arm/v7", "deps", 2, "COPY a b")),
        ("[deps 2/5] WORKDIR /app", ("", "", "deps", 2, "WORKDIR /app")),
        ("[linux/arm64 2/5] RUN x", ("", "linux/arm64", "", 2, "RUN x")),
        ("[2/5] RUN x", ("", "", "", 2, "RUN x")),
        ("[app test.report 1/1] COPY --from=test /gate/ /", ("app", "", "test.report", 1, "COPY --from=test /gate/ /")),
        ("[app internal] load build context", ("", "", "", 0, "")),
        ("[internal] load metadata for docker.io/library/node:20", ("", "", "", 0, "")),
        ("[app context node.build] OCI load from client", ("", "", "", 0, "")),
        ("exporting to image", ("", "", "", 0, "")),
    ],
)
def test_a_steps_name_says_where_it_belongs(name: str, expected: tuple[str, str, str, int, str]) -> None:
    step = named(name)
    assert (step.target, step.platform, step.stage, step.number, step.text) == expected
    assert step.name == name


def test_a_stage_has_the_platform_it_is_known_to_run_on_where_buildkit_does_not_say() -> None:
    progress, _ = follow([vertex("a", "[app deps 1/2] RUN x")], {"deps": "linux/amd64", "app": "linux/arm64"})
    assert progress.steps[0].platform == "linux/amd64"


def test_the_only_stage_of_a_dockerfile_is_not_named_by_buildkit() -> None:
    progress, _ = follow([vertex("a", "[2/3] RUN x"), vertex("b", "exporting to image")], {"app": "linux/amd64"})
    assert [(one.stage, one.platform) for one in progress.steps] == [("app", "linux/amd64"), ("", "")]


def test_a_command_in_short_has_no_mounts() -> None:
    step = named("[app 2/5] RUN --mount=type=cache,target=/c     --mount=type=secret,id=x     npm   ci")
    assert (step.brief, step.runs) == ("RUN npm ci", True)
    assert not named("[app 2/5] COPY a b").runs


# --- times ---------------------------------------------------------------------------------------------------


def test_a_step_that_ran_has_its_seconds() -> None:
    step = only(vertex("a", RUN), vertex("a", RUN, 1), vertex("a", RUN, 1, 3.5))
    assert step.seconds == pytest.approx(2.5)
    assert (step.done, step.running, step.cached) == (True, False, False)


def test_a_cached_step_took_none() -> None:
    step = only(vertex("a", RUN), vertex("a", RUN, 1, 1, cached=True))
    assert (step.seconds, step.cached, step.cached_or_skipped) == (0, True, True)


def test_a_step_nobody_looked_at_is_as_good_as_cached() -> None:
    assert only(vertex("a", RUN)).cached_or_skipped
    assert not only(vertex("a", RUN, 1)).cached_or_skipped


def test_a_step_that_targets_share_is_one_and_has_the_longest_time() -> None:
    other = RUN.replace("[app", "[gate")
    lines = [vertex("a", RUN, 1), vertex("a", other, 2.5), vertex("a", RUN, 1, 3), vertex("a", other, 2.5, 3)]
    progress, events = follow(lines)
    (step,) = progress.steps
    assert step.seconds == pytest.approx(2)
    assert step.name == RUN
    assert len(events) == 2  # it started, and it ended


def test_a_step_that_runs_after_it_was_looked_for_is_told_to_run_again() -> None:
    lines = [vertex("a", RUN, 1, 1.1), vertex("a", RUN, 2), vertex("a", RUN, 2, 5)]
    progress, events = follow(lines)
    assert progress.steps[0].seconds == pytest.approx(3)
    assert len(events) == 3


def test_times_without_a_fraction_and_clocks_that_go_backwards_are_read() -> None:
    whole = json.dumps(
        {"vertexes": [{"digest": "a", "name": RUN, "started": "2026-11-25T02:14:09Z", "completed": at(10.25)}]}
    )
    assert only(whole).seconds == pytest.approx(1.25, abs=0.001)
    assert only(vertex("a", RUN, 5, 3)).seconds == 0


# --- errors --------------------------------------------------------------------------------------------------


def test_a_step_that_failed_has_its_error() -> None:
    step = only(vertex("a", RUN, 1), vertex("a", RUN, 1, 2, error=failed("npm ci", 1)))
    assert (step.error, step.cancelled) == (failed("npm ci", 1), False)


@pytest.mark.parametrize("error", ["context canceled", failed("npm ci", 137) + CANCELLED])
def test_a_step_that_was_stopped_for_another_did_not_fail(error: str) -> None:
    step = only(vertex("a", RUN, 1), vertex("a", RUN, 1, 2, error=error))
    assert (step.error, step.cancelled) == ("", True)


def test_a_command_that_speaks_of_cancelling_fails_like_any_other() -> None:
    step = only(vertex("a", RUN, 1, 2, error=failed("echo context canceled; exit 1", 1)))
    assert step.error.endswith("exit code: 1")


# --- output --------------------------------------------------------------------------------------------------


def output(*pieces: str) -> list[str]:
    return only(vertex("a", RUN, 1), *pieces).output


def test_lines_come_together_from_pieces() -> None:
    assert output(log("a", "on"), log("a", "e\ntw"), log("a", "o\n\n")) == ["one", "two", ""]


def test_a_character_may_be_cut_in_two() -> None:
    raw = "é\n".encode()
    assert output(log("a", raw[:1]), log("a", raw[1:])) == ["é"]
    assert output(log("a", b"\xff\n")) == ["\ufffd"]


def test_the_two_streams_of_a_step_do_not_mix_within_a_line() -> None:
    assert output(log("a", "out"), log("a", "err\n", stream=2), log("a", "put\n")) == ["err", "output"]


def test_of_a_progress_bar_the_last_state_is_left() -> None:
    assert output(log("a", "\r10 %\r20 %"), log("a", "\r30 %\r\n"), log("a", "x\r\n")) == ["30 %", "x"]


def test_a_line_that_is_never_ended_is_told_at_the_end() -> None:
    progress, events = follow([vertex("a", RUN, 1), log("a", "\r1\rlast words"), vertex("a", RUN, 1, 2)])
    assert progress.steps[0].output == ["last words"]
    assert [event.line for event in events] == ["", "", "last words"]


def test_only_the_newest_lines_are_kept() -> None:
    found = output(log("a", "".join(f"{n}\n" for n in range(500))))
    assert (len(found), found[0], found[-1]) == (200, "300", "499")


def test_output_of_a_step_nobody_heard_of_is_passed_over() -> None:
    assert follow([log("x", "a\n")])[0].steps == ()


def test_secrets_are_masked_wherever_they_stand() -> None:
    name = "[app 2/5] RUN curl s3cret"
    step = only(
        vertex("a", name, 1),
        log("a", "s3c"),
        log("a", "ret s3cret\n"),
        vertex("a", name, 1, 2, error=failed("curl s3cret", 1)),
        secrets=("s3cret",),
    )
    assert "s3cret" not in repr(step)
    assert step.output == ["[secret] [secret]"]
    progress, _ = follow(["ERROR: s3cret"], secrets=("s3cret",))
    assert progress.text == ["ERROR: [secret]"]


# --- other lines ---------------------------------------------------------------------------------------------


def test_what_is_no_json_is_what_buildx_says() -> None:
    lines = ["ERROR: failed", "", "{ broken", "[1]", '"x"', "Dockerfile:3"]
    assert follow(lines)[0].text == ["ERROR: failed", "{ broken", "[1]", '"x"', "Dockerfile:3"]


@pytest.mark.parametrize(
    "told",
    [{}, {"vertexes": None}, {"vertexes": [{}]}, {"logs": [{}]}, {"statuses": [{"id": "x"}]}, {"warnings": [{}]}],
)
def test_json_that_says_nothing_is_passed_over(told: object) -> None:
    assert follow([json.dumps(told)])[0].text == []


@examples(30)
@given(st.lists(st.text(max_size=30) | st.binary(max_size=30).map(lambda raw: log("a", raw)), max_size=5))
def test_no_line_does_harm(lines: list[str]) -> None:
    follow([vertex("a", RUN, 1), *lines])
