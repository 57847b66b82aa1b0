"""Names of secrets in, mounts for the steps and places to look for their values out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from buildspec.plan.model import Mount, PlannedSecret
from buildspec.spec.model import Secret

CA_PATH = "/run/secrets/ca-bundle"
"""Where steps find the CA bundle of the network."""

# What programs read the path of a CA bundle from: Node; OpenSSL, curl, Cargo and Go; pip and requests; git, which
# Debian links with GnuTLS; and npm, whose own setting in an npmrc would name a file that the step doesn't have.
_CA_VARIABLES = (
    "NODE_EXTRA_CA_CERTS",
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "npm_config_cafile",
)
# In small letters: curl reads no others, and everybody else reads these too.
_PROXY_VARIABLES = ("http_proxy", "https_proxy", "no_proxy")
PROXIES = tuple(name.replace("_", "-") for name in _PROXY_VARIABLES)
"""Ids of the secrets that `proxy` stands for: addresses, secret only as far as they hold a password."""

NETWORK = ("ca-bundle", "proxy")
"""What a step that downloads is given without being asked."""


def mounts(names: Iterable[str], declared: Mapping[str, Secret]) -> tuple[Mount, ...]:
    """The mounts of a step.

    Args:
        names: of secrets; checked before to be declared or well known.
        declared: `[secrets]`.
    """
    found: list[Mount] = []
    for name in dict.fromkeys(names):
        found += _declared(name, declared[name]) if name in declared else _well_known(name)
    return tuple(found)


def _declared(name: str, secret: Secret) -> list[Mount]:
    required = not secret.optional
    mounted = [Mount(id=name, env=variable, required=required) for variable in secret.as_env]
    if secret.target or not secret.as_env:
        mounted.insert(0, Mount(id=name, target=secret.target or f"/run/secrets/{name}", required=required))
    return mounted


def _well_known(name: str) -> list[Mount]:
    match name:
        case "npmrc":
            return [Mount(id="npmrc", target="/root/.npmrc")]
        case "ca-bundle":
            # The variables are secrets too: as ENV they would stay in the image and name a file that doesn't.
            paths = [Mount(id="ca-bundle-path", env=variable) for variable in _CA_VARIABLES]
            return [Mount(id="ca-bundle", target=CA_PATH), *paths]
        case _:
            return [Mount(id=_id(name), env=name) for name in _PROXY_VARIABLES]


def _id(variable: str) -> str:
    return variable.replace("_", "-")


def sources(used: Mapping[str, Iterable[str]], declared: Mapping[str, Secret]) -> tuple[PlannedSecret, ...]:
    """Where the values of secrets are looked for.

    Args:
        used: stages by the name of the secret they mount.
        declared: `[secrets]`.
    """
    found: list[PlannedSecret] = []
    for name, stages in sorted(used.items()):
        needed_by = ", ".join(sorted(set(stages)))
        if name in declared:
            secret = declared[name]
            found.append(
                PlannedSecret(
                    id=name,
                    env=(secret.env,) if secret.env else (),
                    files=(secret.file,) if secret.file else (),
                    optional=secret.optional,
                    needed_by=needed_by,
                )
            )
        elif name == "npmrc":
            files = ("~/.npmrc",)
            found.append(
                PlannedSecret(id="npmrc", file_env=("NPM_CONFIG_USERCONFIG",), files=files, needed_by=needed_by)
            )
        elif name == "ca-bundle":
            found += _ca_bundle(needed_by)
        else:
            found += [PlannedSecret(id=_id(v), env=(v, v.upper()), needed_by=needed_by) for v in _PROXY_VARIABLES]
    return tuple(found)


CA_BUNDLE = PlannedSecret(
    id="ca-bundle",
    file_env=("BUILDSPEC_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"),
    # The usual places: Debian, Alpine and Arch; Fedora and RHEL; openSUSE; macOS and FreeBSD.
    files=(
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/ca-bundle.pem",
        "/etc/ssl/cert.pem",
    ),
)
"""The CA bundle of this machine, and so of its network."""


def _ca_bundle(needed_by: str) -> list[PlannedSecret]:
    return [
        attrs.evolve(CA_BUNDLE, needed_by=needed_by),
        PlannedSecret(id="ca-bundle-path", constant=CA_PATH, needed_by=needed_by),
    ]
