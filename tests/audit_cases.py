"""Images that each break one rule of the audit, and ones that don't, as Dockerfiles and files to build them from.

Every image starts from the same right one: a program of its own, an account, a health check, labels. A case changes it.
"""

from __future__ import annotations

import base64
import gzip
import io
import struct
import tarfile
from collections.abc import Mapping, Sequence
from urllib.parse import quote

import attrs

MACHINES = {"amd64": 62, "arm64": 183}
_BASE_ADDRESS = 0x400000


def elf(arch: str = "amd64", interpreter: str = "", needed: Sequence[str] = ()) -> bytes:
    """A program or library as small as its format allows: headers, and what it asks for.

    Args:
        arch: amd64 or arm64.
        interpreter: path of the dynamic linker.
        needed: libraries.
    """
    strings = b"\0" + b"".join(one.encode() + b"\0" for one in needed)
    loader = interpreter.encode() + b"\0" if interpreter else b""
    count = 1 + bool(interpreter) + bool(needed)
    start = 64 + 56 * count
    tags = b""
    if needed:
        at = 1
        for one in needed:
            tags += struct.pack("<QQ", 1, at)
            at += len(one) + 1
        tags += struct.pack("<QQ", 5, _BASE_ADDRESS + start + len(loader)) + struct.pack("<QQ", 0, 0)
    size = start + len(loader) + len(strings) + len(tags)
    headers = [struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE_ADDRESS, _BASE_ADDRESS, size, size, 0x1000)]
    if interpreter:
        headers.append(_segment(3, start, len(loader)))
    if needed:
        headers.append(_segment(2, start + len(loader) + len(strings), len(tags)))
    head = b"\x7fELF\x02\x01\x01" + bytes(9)
    head += struct.pack("<HHIQQQIHHHHHH", 2, MACHINES[arch], 1, _BASE_ADDRESS, 64, 0, 0, 64, 56, count, 64, 0, 0)
    return head + b"".join(headers) + loader + strings + tags


def _segment(kind: int, offset: int, size: int) -> bytes:
    address = _BASE_ADDRESS + offset
    return struct.pack("<IIQQQQQQ", kind, 4, offset, address, address, size, size, 8)


def tar(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """A tar for ADD, which unpacks it: what no file of a context can be is brought in by one."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for info, data in members:
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def member(name: str, **changes: object) -> tarfile.TarInfo:
    """A member of such a tar."""
    info = tarfile.TarInfo(name)
    info.mode = 0o755
    for key, value in changes.items():
        setattr(info, key, value)
    return info


RIGHT: Mapping[str, bytes] = {
    "app/run": elf(),
    "etc/passwd": b"root:x:0:0:root:/root:/sbin/nologin\nweb:x:1001:1001::/home/web:/sbin/nologin\n",
    "etc/group": b"root:x:0:\nweb:x:1001:\n",
}
DOCKERFILE = """\
FROM scratch
COPY --chmod=0755 tree/ /
{before}
WORKDIR /app
ENV PATH=/usr/local/bin:/usr/bin:/bin
USER 1001:1001
ENTRYPOINT ["/app/run"]
HEALTHCHECK --interval=30s --timeout=5s CMD ["/app/run"]
LABEL org.opencontainers.image.title=web org.opencontainers.image.source=https://example.org/web \
      org.opencontainers.image.revision=0123456789012345678901234567890123456789 org.opencontainers.image.licenses=MIT
{after}
"""


@attrs.frozen(kw_only=True)
class Case:
    """A change to the right image."""

    after: str = ""
    """Instructions after its own: the last one of a kind counts."""
    before: str = ""
    """Instructions while root still builds it."""
    files: Mapping[str, bytes | None] = attrs.Factory(dict)
    """Files of `tree/`, which are copied; None: without it."""
    beside: Mapping[str, bytes] = attrs.Factory(dict)
    """Files of the context beside it."""
    args: Mapping[str, str] = attrs.Factory(dict)
    """Build arguments."""
    attest: Sequence[str] = ()
    """Attestations, as buildx takes them."""
    edit: str = ""
    """What is done to the archive that was built, where no build makes such an image."""
    expected: Mapping[str, object] = attrs.Factory(dict)
    """What a specification would say of it."""
    hidden: Mapping[str, bytes] = attrs.Factory(dict)
    """Secrets of the build."""

    @property
    def dockerfile(self) -> str:
        """What builds it."""
        return DOCKERFILE.format(before=self.before, after=self.after)


TOKEN = "ghp_" + "a1B2" * 9
KEY = b"-----BEGIN PRIVATE KEY-----\n" + b"MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n" * 3 + b"-----END PRIVATE KEY-----\n"
_PUBLISHED = b"MC4CAQAwBQYDK2VwBCIEIH4WeqmZGZQlSY/8H85ZZimVd26h6I68gFNyBvyh3Vcy"
PUBLISHED_KEY = b"-----BEGIN PRIVATE KEY-----\n" + _PUBLISHED + b"\n-----END PRIVATE KEY-----\n"
"""GnuTLS tests itself with it: lib/crypto-selftests-pk.c."""
_BIG = bytes(range(256)) * 5000
_GLIBC = "/lib64/ld-linux-x86-64.so.2"
_MUSL = "/lib/ld-musl-x86_64.so.1"
_LOADER = {"lib64/ld-linux-x86-64.so.2": elf(), "lib/libc.so.6": elf()}
_CAPABILITY = {"SCHILY.xattr.security.capability": "\x01\0\0\x02\0\x04" + 14 * "\0"}
_PROVENANCE = ("type=provenance,mode=min,version=v1",)

BAD: Mapping[str, Sequence[Case]] = {
    "user-is-root": [
        Case(after="USER root"),
        Case(after="USER 0"),
        Case(after="USER 0:0"),
        Case(after="USER 00"),
        Case(after="USER root:web"),
        Case(after="USER 1001:0"),
        Case(after="USER toor", files={"etc/passwd": b"toor:x:0:0::/:/bin/sh\n"}),
    ],
    "user-not-numeric": [
        Case(after="USER web"),
        Case(after="USER -1"),
        Case(after="USER 4294967296"),
        Case(after="USER 01001"),
    ],
    "user-without-account": [Case(after="USER 4711"), Case(files={"etc/passwd": None})],
    "health-check-missing": [Case(after="HEALTHCHECK NONE")],
    "health-check-unusable": [
        Case(after="HEALTHCHECK CMD /app/run || exit 1"),
        Case(after='HEALTHCHECK CMD ["/app/no"]'),
        Case(after='HEALTHCHECK --interval=5s --timeout=10s CMD ["/app/run"]'),
    ],
    "command-in-shell-form": [Case(after="ENTRYPOINT /app/run --port 80", files={"bin/sh": elf()})],
    "program-missing": [
        Case(after='ENTRYPOINT ["/app/no"]'),
        Case(after='ENTRYPOINT ["run"]'),
        Case(
            beside={"a.tar": tar((member("usr/bin/go", type=tarfile.SYMTYPE, linkname="/none"), b""))},
            before="ADD a.tar /",
            after='ENTRYPOINT ["go"]',
        ),
    ],
    "program-not-executable": [
        Case(before="COPY --chmod=0600 tree/app/run /app/run"),
        Case(before="COPY --chmod=0745 --chown=1001 tree/app/run /app/no", after='ENTRYPOINT ["/app"]'),
    ],
    "secret-in-environment": [Case(after=f"ENV NOTE={TOKEN}"), Case(after="ENV DB_PASSWORD=hunter22")],
    "secret-in-labels": [Case(after=f"LABEL org.example.note={TOKEN}"), Case(after="LABEL org.example.token=hunter22")],
    "port-out-of-range": [Case(after="EXPOSE 0"), Case(after="EXPOSE 22")],
    "volume-of-system": [
        Case(after='VOLUME ["/etc"]'),
        Case(after='VOLUME ["/proc/x"]'),
        Case(after='VOLUME ["/data"]', expected={"volumes": frozenset({"/other"})}),
    ],
    "working-folder": [Case(after="WORKDIR /etc"), Case(edit="working folder"), Case(edit="relative folder")],
    "label-missing": [Case(after='LABEL org.opencontainers.image.source=""'), Case(after="LABEL Org.Example=1")],
    "platform-differs": [Case(edit="platform")],
    "creation-time-wrong": [
        Case(args={"SOURCE_DATE_EPOCH": "4000000000"}),
        Case(edit="created"),
        Case(args={"SOURCE_DATE_EPOCH": "1700000000"}, expected={"epoch": 1700000001}),
    ],
    "build-trigger": [Case(after="ONBUILD RUN rm -r /"), Case(after='SHELL ["/bin/bash", "-c"]'), Case(edit="signal")],
    "setuid-file": [
        Case(before="COPY --chmod=4755 tree/app/run /bin/up"),
        Case(before="COPY --chmod=2755 tree/app/run /bin/up"),
        Case(before="COPY --chmod=4755 tree/app/run /bin/up\nCOPY --chmod=0755 tree/app/run /bin/up"),
    ],
    "file-capability": [
        Case(beside={"a.tar": tar((member("bin/ping", pax_headers=_CAPABILITY), b"x"))}, before="ADD a.tar /")
    ],
    "credential-file": [
        Case(files={"home/web/.npmrc": b"//r.example/:_authToken=abcdefgh\n"}),
        Case(files={"app/.env": b"A=1\n"}),
        Case(files={"home/web/.ssh/id_ed25519": b"key"}),
        Case(files={"home/web/.docker/config.json": b"{}"}),
        Case(
            files={"home/web/.netrc": b"machine"},
            beside={"a.tar": tar((member("home/web/.wh..netrc"), b""))},
            edit="delete home/web/.netrc",
        ),
    ],
    "build-secret": [
        Case(files={"app/note": b"... s3cr3t-of-this-build ..."}, hidden={"npmrc": b"s3cr3t-of-this-build"}),
        Case(after="ENV NOTE=s3cr3t-of-this-build", hidden={"npmrc": b"s3cr3t-of-this-build"}),
    ],
    "cache-file": [
        Case(files={"root/.npm/_cacache/index": b"x"}),
        Case(files={"var/lib/apt/lists/deb.example_Packages": b"x"}),
        Case(files={"var/cache/apt/archives/a.deb": b"x"}),
        Case(files={"app/.git/HEAD": b"ref"}),
    ],
    "needless-program": [
        Case(files={"bin/sh": elf()}),
        Case(files={"usr/bin/apt-get": elf()}),
        Case(files={"usr/bin/curl": elf()}),
    ],
    "empty-password": [
        Case(files={"etc/shadow": b"web::19000:0:99999:7:::\n"}),
        Case(files={"etc/passwd": b"web::1001:1001::/:/bin/sh\n"}),
    ],
    "number-used-twice": [
        Case(files={"etc/passwd": b"web:x:1001:1001::/:/x\nother:x:1001:1002::/:/x\n"}),
        Case(files={"etc/group": b"a:x:5:\nb:x:5:\n"}),
    ],
    "world-writable": [
        Case(before="COPY --chmod=0777 tree/app/run /app/open"),
        Case(beside={"a.tar": tar((member("srv", type=tarfile.DIRTYPE, mode=0o777), b""))}, before="ADD a.tar /"),
    ],
    "writable-application": [Case(before="COPY --chmod=0755 --chown=1001:1001 tree/app/run /app/run")],
    "unsafe-entry": [
        Case(
            beside={"a.tar": tar((member("dev/mem", type=tarfile.CHRTYPE, devmajor=1, devminor=1), b""))},
            before="ADD a.tar /",
        ),
        Case(
            beside={"a.tar": tar((member("app/up", type=tarfile.SYMTYPE, linkname="../../../etc/shadow"), b""))},
            before="ADD a.tar /",
        ),
        Case(edit="name"),
    ],
    "file-in-two-layers": [Case(files={"app/big": _BIG}, before="COPY --chmod=0755 tree/app/big /srv/big")],
    "file-newer-than-image": [Case(args={"SOURCE_DATE_EPOCH": "1000000000"})],
    "digest-differs": [Case(edit="layer"), Case(edit="diff id"), Case(edit="size")],
    "package-lists-kept": [
        Case(edit="history RUN /bin/sh -c apt-get update # buildkit"),
        Case(edit="history RUN /bin/sh -c sudo make install # buildkit"),
    ],
    "remote-file-in-history": [Case(edit="history ADD https://example.org/a.tar.gz / # buildkit")],
    "foreign-machine": [
        Case(files={"app/node_modules/a/build/a.node": elf("arm64")}),
        Case(files={"app/run": elf("arm64")}),
    ],
    "foreign-libc": [
        Case(files={**_LOADER, "app/a.node": elf(needed=["libc.musl-x86_64.so.1"])}),
        Case(files={"lib/ld-musl-x86_64.so.1": elf(), "app/a.node": elf(needed=["libc.so.6"])}),
    ],
    "library-missing": [
        Case(files={"app/run": elf(interpreter=_GLIBC, needed=["libc.so.6"])}),
        Case(files={**_LOADER, "app/run": elf(interpreter=_GLIBC, needed=["libc.so.6", "libssl.so.3"])}),
        Case(files={"app/run": elf(interpreter=_MUSL)}),
    ],
    "secret-in-history": [
        Case(after="ARG NPM_TOKEN\nENV A=1", args={"NPM_TOKEN": "hunter22hunter22"}),
        Case(edit=f"history RUN /bin/sh -c curl -H 'Authorization: Bearer {TOKEN}' https://example.org # buildkit"),
        Case(args={"NPM_TOKEN": "hunter22hunter22"}, attest=("type=provenance,mode=max,version=v1",)),
    ],
    "secret-in-file": [
        Case(files={"app/key.pem": KEY}),
        Case(files={"app/settings.json": f'{{"t": "{TOKEN}"}}'.encode()}),
        Case(files={"app/old": f"token {TOKEN}\n".encode()}, before="COPY --chmod=0755 tree/app/run /app/old"),
    ],
    "attestation-missing": [
        Case(expected={"attestations": ("provenance",)}),
        Case(expected={"attestations": ("sbom",)}, attest=_PROVENANCE),
    ],
    "provenance-wrong": [Case(attest=_PROVENANCE, edit="subject")],
    "sbom-wrong": [Case(attest=_PROVENANCE, edit="sbom none"), Case(attest=_PROVENANCE, edit="sbom other")],
    "licence-not-allowed": [
        Case(attest=_PROVENANCE, edit="sbom AGPL-3.0-only", expected={"licenses": ("MIT", "Apache-2.0")}),
        Case(attest=_PROVENANCE, edit="sbom MIT AND AGPL-3.0-only", expected={"licenses": ("MIT",)}),
    ],
    "licence-missing": [
        Case(files={"var/lib/dpkg/status.d/tzdata": b"Package: tzdata\n"}),
        Case(files={"app/node_modules/a/package.json": b'{"name": "a", "version": "1.0.0"}'}),
    ],
}

GOOD: Mapping[str, Sequence[Case]] = {
    "user-is-root": [Case(), Case(after="USER 1001")],
    "user-not-numeric": [Case(after="USER 1001")],
    "user-without-account": [Case(after="USER 4711\nENV HOME=/tmp")],
    "health-check-unusable": [Case(after="HEALTHCHECK CMD /app/run || exit 1", files={"bin/sh": elf()})],
    "command-in-shell-form": [Case(after="ENTRYPOINT exec /app/run", files={"bin/sh": elf()})],
    "program-missing": [
        Case(before="COPY --chmod=0755 tree/app/run /usr/bin/run", after='ENTRYPOINT ["run"]'),
        Case(
            beside={"a.tar": tar((member("usr/bin/go", type=tarfile.SYMTYPE, linkname="/app/run"), b""))},
            before="ADD a.tar /",
            after='ENTRYPOINT ["go"]',
        ),
    ],
    "program-not-executable": [Case(before="COPY --chmod=0500 --chown=1001 tree/app/run /app/run")],
    "secret-in-environment": [Case(after="ENV TOKEN_FILE=/run/secrets/token AUTH=off KEYBOARD=us")],
    "secret-in-labels": [Case(after="LABEL org.example.keyboard=us")],
    "port-out-of-range": [Case(after="EXPOSE 8080 53/udp")],
    "volume-of-system": [Case(after='VOLUME ["/data"]', expected={"volumes": frozenset({"/data"})})],
    "creation-time-wrong": [Case(args={"SOURCE_DATE_EPOCH": "1700000000"}, expected={"epoch": 1700000000})],
    "credential-file": [Case(files={"home/web/.npmrc": b"fund=false\n", "app/.env": b""})],
    "build-secret": [Case(hidden={"npmrc": b"s3cr3t-of-this-build"})],
    "cache-file": [Case(files={"var/lib/apt/lists/lock": b"", "app/.github/a": b"x", "home/web/.cache": b""})],
    "needless-program": [
        Case(files={"bin/sh": elf()}, expected={"shell": True}),
        Case(files={"usr/bin/curl": elf()}, expected={"packages": frozenset({"curl"})}),
    ],
    "empty-password": [Case(files={"etc/shadow": b"web:!:19000:0:99999:7:::\n"})],
    "world-writable": [
        Case(beside={"a.tar": tar((member("tmp", type=tarfile.DIRTYPE, mode=0o1777), b""))}, before="ADD a.tar /")
    ],
    "writable-application": [Case(before="COPY --chmod=0755 --chown=1001:1001 tree/app/run /home/web/own")],
    "unsafe-entry": [
        Case(
            beside={"a.tar": tar((member("app/to", type=tarfile.SYMTYPE, linkname="../etc/group"), b""))},
            before="ADD a.tar /",
        )
    ],
    "file-in-two-layers": [Case(files={"app/big": _BIG})],
    "foreign-libc": [Case(files={**_LOADER, "app/a.node": elf(needed=["libc.so.6"])})],
    "library-missing": [Case(files={**_LOADER, "app/run": elf(interpreter=_GLIBC, needed=["libc.so.6"])})],
    "secret-in-history": [Case(after="ARG VERSION=1.0", args={"VERSION": "1.0"}, attest=_PROVENANCE)],
    "secret-in-file": [
        Case(files={"app/reader.js": b"if (text.startsWith('-----BEGIN PRIVATE KEY-----')) read()"}),
        Case(files={"app/libgnutls.so": b"PRIVATE KEY-----\0" + PUBLISHED_KEY + b"\0PRIVATE KEY-----\0-----END"}),
    ],
    "attestation-missing": [Case(expected={"attestations": ("provenance",)}, attest=_PROVENANCE)],
    "provenance-wrong": [Case(attest=_PROVENANCE)],
    "sbom-wrong": [Case(attest=_PROVENANCE, edit="sbom MIT")],
    "licence-not-allowed": [
        Case(attest=_PROVENANCE, edit="sbom MIT OR AGPL-3.0-only", expected={"licenses": ("MIT",)})
    ],
    "licence-missing": [
        Case(
            files={
                "var/lib/dpkg/status.d/tzdata": b"Package: tzdata\n",
                "usr/share/doc/tzdata/copyright": b"public domain",
                "app/node_modules/a/package.json": b'{"name": "a", "version": "1.0.0", "license": "MIT"}',
            }
        )
    ],
}
"""For a rule that isn't here, the right image itself is the good one."""


SECRET = "s3cr3t/of+this=build?"  # noqa: S105 - the canary of these tests
"""What a build is given; it looks like nothing in particular."""
_COPIED = base64.b64encode(SECRET.encode()).decode()

ROUTES: Mapping[str, Case] = {
    "a build argument that nothing uses": Case(after="ARG GREETING", args={"GREETING": SECRET}),
    "a build argument in a provenance": Case(
        before="ARG GREETING", args={"GREETING": SECRET}, attest=("type=provenance,mode=max,version=v1",)
    ),
    "a variable": Case(after=f"ENV GREETING={SECRET}"),
    "a variable that a later one replaces": Case(after=f"ENV GREETING={SECRET}\nENV GREETING=hello"),
    "a label": Case(after=f'LABEL org.example.greeting="{SECRET}"'),
    "a file": Case(files={"app/greeting": SECRET.encode()}),
    "a file among others, in the middle of it": Case(files={"app/big": _BIG + SECRET.encode() + _BIG}),
    "a file that a later layer replaces": Case(
        files={"app/greeting": SECRET.encode()}, before="COPY tree/app/run /app/greeting"
    ),
    "a file that a later layer deletes": Case(files={"app/greeting": SECRET.encode()}, edit="delete app/greeting"),
    "an npmrc that was copied": Case(files={"root/.npmrc": f"//r.example/:_authToken={SECRET}\n".encode()}),
    "a file in base64": Case(files={"app/greeting": f"Authorization: Basic {_COPIED}\n".encode()}),
    "a file with it as a part of an address": Case(
        files={"app/greeting": f"https://user:{quote(SECRET, safe='')}@r.example/\n".encode()}
    ),
    "a file that gzip has compressed": Case(files={"app/greeting.gz": gzip.compress(SECRET.encode())}),
    "the name of a file": Case(files={f"app/{SECRET.replace('/', '-')}": b"x"}),
    "what a link points at": Case(
        beside={"a.tar": tar((member("app/to", type=tarfile.SYMTYPE, linkname=SECRET), b""))}, before="ADD a.tar /"
    ),
    "an account's name": Case(files={"etc/passwd": f"web:x:1001:1001:{SECRET}:/:/sbin/nologin\n".encode()}),
    "an argument of the entrypoint": Case(after=f'ENTRYPOINT ["/app/run", "--greeting={SECRET}"]'),
    "an argument of the default command": Case(after=f'CMD ["{SECRET}"]'),
    "the health check": Case(after=f'HEALTHCHECK CMD ["/app/run", "{SECRET}"]'),
    "the working folder": Case(after=f"WORKDIR /srv/{SECRET}"),
    "the name of a volume": Case(after=f'VOLUME ["/srv/{SECRET}"]'),
    "a line of the history": Case(edit=f"history RUN /bin/sh -c greet '{SECRET}' # buildkit"),
    "a file that is written in the Dockerfile": Case(before=f"COPY <<EOF /app/greeting\n{SECRET}\nEOF"),
}
"""Ways by which a secret gets into an image. Of the name of a file, its slash is another sign."""
