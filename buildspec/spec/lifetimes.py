"""Until when distributions and interpreters get security fixes: what a base is made of in, the day it ends out.

Sources, checked on 2026-11-25, each as of the day in brackets:
- Debian, the end of long-term support, and Ubuntu, the end of standard support: the tables of the Debian package
  distro-info-data, 0.58+deb12u7 (2026-04-25)
- Alpine, Node.js and Python: endoflife.date, products alpine-linux, nodejs and python (2026-08-22), which keep to
  alpinelinux.org/releases, nodejs/Release and devguide.python.org/versions
- distroless images, which follow Debian's standard support, not the long-term one: SUPPORT_POLICY.md of
  GoogleContainerTools/distroless (2026-08-21); it names months, of which the last day is here
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from buildspec.spec.model import Base, DebianBase

ENDS: Mapping[str, Mapping[str, str]] = {
    "Debian": {
        "jessie": "2020-06-30",
        "stretch": "2022-06-30",
        "buster": "2024-06-30",
        "bullseye": "2026-08-31",
        "bookworm": "2028-06-30",
        "trixie": "2030-06-30",
    },
    "Alpine": {
        "3.8": "2020-05-01",
        "3.9": "2020-11-01",
        "3.10": "2021-05-01",
        "3.11": "2021-11-01",
        "3.12": "2022-05-01",
        "3.13": "2022-11-01",
        "3.14": "2023-05-01",
        "3.15": "2023-11-01",
        "3.16": "2024-05-23",
        "3.17": "2024-11-22",
        "3.18": "2025-05-09",
        "3.19": "2025-11-01",
        "3.20": "2026-04-01",
        "3.21": "2026-11-01",
        "3.22": "2027-05-01",
        "3.23": "2027-11-01",
        "3.24": "2028-06-01",
    },
    "Ubuntu": {
        "trusty": "2019-04-25",
        "xenial": "2021-04-30",
        "bionic": "2023-05-31",
        "focal": "2025-05-29",
        "jammy": "2027-06-01",
        "noble": "2029-05-31",
        "oracular": "2025-07-10",
        "plucky": "2026-01-15",
        "questing": "2026-07-09",
        "resolute": "2031-05-29",
        "stonking": "2027-07-15",
    },
    "Node.js": {
        "8": "2019-12-31",
        "10": "2021-04-30",
        "11": "2019-06-01",
        "12": "2022-04-30",
        "13": "2020-06-01",
        "14": "2023-04-30",
        "15": "2021-06-01",
        "16": "2023-09-11",
        "17": "2022-06-01",
        "18": "2025-04-30",
        "19": "2023-06-01",
        "20": "2026-04-30",
        "21": "2024-06-01",
        "22": "2027-04-30",
        "23": "2025-06-01",
        "24": "2028-04-30",
        "25": "2026-06-01",
        "26": "2029-04-30",
    },
    "Python": {
        "2.7": "2020-01-01",
        "3.5": "2020-09-30",
        "3.6": "2021-12-23",
        "3.7": "2023-06-27",
        "3.8": "2024-10-07",
        "3.9": "2025-10-31",
        "3.10": "2026-10-31",
        "3.11": "2027-10-31",
        "3.12": "2028-10-31",
        "3.13": "2029-10-31",
        "3.14": "2030-10-31",
    },
    "Distroless": {
        "static-debian12": "2026-09-30",
        "base-debian12": "2026-09-30",
        "base-nossl-debian12": "2026-09-30",
        "cc-debian12": "2026-09-30",
        "java-debian12": "2026-01-31",
        "java-base-debian12": "2026-01-31",
        "nodejs-debian12": "2026-01-31",
        "python-debian12": "2026-04-30",
    },
}
"""Last day with fixes, by product and version."""

_NUMBERS: Mapping[str, Mapping[str, str]] = {
    "Debian": {"8": "jessie", "9": "stretch", "10": "buster", "11": "bullseye", "12": "bookworm", "13": "trixie"},
    "Ubuntu": {
        "14.04": "trusty",
        "16.04": "xenial",
        "18.04": "bionic",
        "20.04": "focal",
        "22.04": "jammy",
        "24.04": "noble",
        "24.10": "oracular",
        "25.04": "plucky",
        "25.10": "questing",
        "26.04": "resolute",
        "26.10": "stonking",
    },
}
_PRODUCTS = {"debian": "Debian", "alpine": "Alpine", "ubuntu": "Ubuntu", "node": "Node.js", "python": "Python"}
_DIGITS = {"Node.js": r"\d+", "Alpine": r"\d+\.\d+", "Python": r"\d+\.\d+", "Debian": r"\d+", "Ubuntu": r"\d+\.\d+"}
_DISTROLESS = re.compile(r"distroless/(?P<kind>[a-z-]+?)(?P<number>\d*)-debian(?P<debian>\d+)")


def parts(base: Base) -> Iterator[tuple[str, str]]:
    """Products and versions that a base's name gives away: `node:20-alpine3.19` is Node.js 20 and Alpine 3.19."""
    if isinstance(base, DebianBase):
        yield "Debian", base.debian
        return
    if match := _DISTROLESS.search(base.image.repository):
        image = f"{match['kind']}-debian{match['debian']}"
        # what the images' own policy doesn't date is at best as long-lived as its distribution
        known = image in ENDS["Distroless"]
        yield ("Distroless", image) if known else ("Debian", _version("Debian", match["debian"]))
        if match["kind"] == "nodejs":
            yield "Node.js", match["number"]
        return
    name = base.image.repository.rsplit("/", 1)[-1]
    if name not in _PRODUCTS:
        return
    for index, word in enumerate(base.image.tag.split("-")):
        product = _PRODUCTS[name] if index == 0 else ""
        for other in ("alpine", "debian"):
            if word.startswith(other) and index:
                product, word = _PRODUCTS[other], word.removeprefix(other)
        product = product or next((one for one in ("Debian", "Ubuntu") if word in ENDS[one]), "")
        if product and word:
            yield product, _version(product, word)


def end(product: str, version: str) -> str:
    """The last day on which it gets fixes; empty when that isn't known."""
    return ENDS[product].get(version, "")


def _version(product: str, text: str) -> str:
    """The version as the table has it: `20.11.1` of Node.js is `20`."""
    match = re.match(_DIGITS[product], text)
    number = match.group() if match else text
    return _NUMBERS.get(product, {}).get(number, number)
