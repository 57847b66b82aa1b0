"""What gives a secret away: words in the name of a variable, and the shape of well-known tokens."""

from __future__ import annotations

import re

# Words and exceptions of BuildKit's check SecretsUsedInArgOrEnv (dockerfile2llb/validations.go), at the edge of words;
# the exceptions beyond public, file and version name where a secret is, or how it is handled, not what it is.
_WORDS = re.compile(
    r"(?:[_.-]|^)(?:apikey|auth|credentials?|key|password|pword|passwd|secret|token)(?:[_.-]|$)", re.IGNORECASE
)
_HARMLESS = re.compile(r"(?:[_.-]|^)(?:public|file|version|path|dir|url|ttl|length)(?:[_.-]|$)", re.IGNORECASE)
# Switches, and the place of a mounted secret.
_NO_SECRET = re.compile(
    r"|true|false|yes|no|on|off|none|null|enabled|disabled|[0-9]{1,3}|/run/secrets/.*", re.IGNORECASE
)

# The shapes their issuers document.
_TOKENS = {
    "a GitHub token": r"\bgh[pousr]_[A-Za-z0-9]{36}|\bgithub_pat_[A-Za-z0-9_]{22}",
    "a GitLab token": r"\bglpat-[A-Za-z0-9_-]{20}",
    "an AWS access key": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "an npm token": r"\bnpm_[A-Za-z0-9]{36}|_authToken\s*=\s*[\"']?[A-Za-z0-9_/+=-]{8}",
    "a PyPI token": r"\bpypi-[A-Za-z0-9_-]{50}",
    "a Docker token": r"\bdckr_(?:pat|oat)_[A-Za-z0-9_-]{20}",
    "a Slack token": r"\bxox[abeoprs]-[A-Za-z0-9-]{10}",
    "a Stripe key": r"\b[sr]k_live_[A-Za-z0-9]{16}",
    "a Google API key": r"\bAIza[0-9A-Za-z_-]{35}",
    "an Anthropic key": r"\bsk-ant-[A-Za-z0-9_-]{20}",
    "an OpenAI key": r"\bsk-(?:proj-)?[A-Za-z0-9_-]{32}",
    "a Hugging Face token": r"\bhf_[A-Za-z0-9]{34}\b",
    "a SendGrid key": r"\bSG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}",
    "a JSON web token": r"\beyJ[A-Za-z0-9_-]{10,500}\.eyJ[A-Za-z0-9_-]{10,2000}\.[A-Za-z0-9_-]{10}",
    "a private key": r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----",
    "a password in an address": r"://[^\s/:@$]{1,64}:[^\s/:@${]{1,128}@",
    "an authorization header": r"\bauthorization:\s*(?:bearer|basic|token)\s+[A-Za-z0-9._~+/=-]{8}",
}
_SHAPES = {kind: re.compile(shape, re.IGNORECASE if "authorization" in kind else 0) for kind, shape in _TOKENS.items()}


def named_like_one(name: str) -> bool:
    """Whether a variable, argument or label has the name of a secret: `NPM_TOKEN`, `db.password`."""
    return _WORDS.search(name) is not None and _HARMLESS.search(name) is None


def could_be_one(value: str) -> bool:
    """Whether a value of such a name can be a secret: it isn't empty, a switch, or the place of a mounted one."""
    return _NO_SECRET.fullmatch(value) is None


def token_in(text: str) -> str:
    """What secret a text holds, such as `a GitHub token`; empty when it looks like none."""
    return next((kind for kind, shape in _SHAPES.items() if shape.search(text)), "")
