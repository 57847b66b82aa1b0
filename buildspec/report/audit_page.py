"""The rules of the audit in, their page of the documentation out."""

from __future__ import annotations

import inspect

from buildspec.gates.audit import RULES
from buildspec.gates.audit.subject import Rule, name_of, severity_of
from buildspec.spec.seal import origin

_HEAD = """\
<!-- @ORIGIN@ -->

# What the audit looks for

`nox -s audit` builds, and reads the images of every platform from the engine's archive: settings, history, every layer
with what later ones delete, machine code, attestations. It asks no network. An error fails it, a warning doesn't; the
verdicts are in `build/result.json` beside the digest they are about, and in `build/audit.sarif`.

Other people's images are audited by `nox -s audit -- --image NAME` and `nox -s audit -- --archive FILE`. Of those,
nothing is expected: a shell is a finding, where of an image built here only one is that its base lacks on purpose.

## To waive

A finding that is known, and may be, is waived in the specification, with a reason and perhaps a last day:

```toml
[[waivers]]
rule = "setuid-file"
at = "runtime:/usr/bin/su"   # a path, all below it, or a pattern; without `at`, everywhere
reason = "the debug image is never deployed"
until = "2027-06-30"
```

A waiver that has ended is an error of `nox -s check`; one that covers nothing is told.

## Rules
"""


def text() -> str:
    """The page, a section for each rule."""
    head = _HEAD.replace("@ORIGIN@", origin("buildspec/gates/audit"))
    return "\n".join([head, *(_section(rule) for rule in RULES)])


def _section(rule: Rule) -> str:
    severity = severity_of(rule)
    about = " ".join((inspect.getdoc(rule) or "").split())
    return f"### {name_of(rule)}\n\n{about}{' A warning.' if severity == 'warning' else ''}\n"
