"""Secrets are taken out of texts in the forms in which programs show them."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest
from conftest import examples
from hypothesis import given
from hypothesis import strategies as st

from buildspec.engine.redact import MASK, SHORTEST, Redactor


@pytest.mark.parametrize("form", [str, lambda s: quote(s, safe=""), lambda s: base64.b64encode(s.encode()).decode()])
def test_a_secret_is_masked_in_each_form(form: object) -> None:
    value = "p@ss/w0rd+"
    assert callable(form)
    assert Redactor([value])(f"<{form(value)}>") == f"<{MASK}>"


def test_each_line_of_a_secret_is_masked_by_itself() -> None:
    redact = Redactor(["first line\n\tsecond line\n"])
    assert redact("1: first line\n2: second line\n") == f"1: {MASK}\n2: {MASK}\n"


def test_a_short_value_is_left_for_it_would_blot_out_everything() -> None:
    assert Redactor(["abc", "a", ""])("abcabc") == "abcabc"
    assert Redactor(["abcd"])("abcd") == MASK


def test_the_longest_is_masked_first() -> None:
    assert Redactor(["token", "token-and-more"])("token-and-more token") == f"{MASK} {MASK}"


def test_a_secret_is_no_pattern() -> None:
    assert Redactor(["a.c*"])("abcc a.c*") == f"abcc {MASK}"


def test_without_secrets_texts_stay_as_they_are() -> None:
    assert Redactor()("anything") == "anything"


@examples(30)
@given(st.lists(st.text(min_size=1), max_size=3), st.text(), st.text())
def test_no_long_secret_is_left_in_any_text(secrets: list[str], before: str, after: str) -> None:
    redact = Redactor(secrets)
    for secret in secrets:
        for line in [secret, *secret.splitlines()]:
            if len(line.strip()) >= SHORTEST:
                assert not [part for part in redact(before + line + after).split(MASK) if line.strip() in part]
