"""Make dist/tally.pyz: the whole program in one file, whose bytes depend on nothing but the sources and the version."""

from __future__ import annotations

import re
import sys
import zipfile
from pathlib import Path

MAIN = "import sys\nfrom tally.command import main\nsys.exit(main())\n"
EPOCH = (1980, 1, 1, 0, 0, 0)


def main(version: str) -> None:
    """Write the file."""
    source, made = Path("tally"), Path("dist/tally.pyz")
    texts = {f"tally/{path.name}": path.read_text(encoding="utf-8") for path in sorted(source.glob("*.py"))}
    command = texts["tally/command.py"]
    texts["tally/command.py"], done = re.subn(r'(?m)^VERSION = ".*"$', f'VERSION = "{version}"', command)
    if done != 1:
        sys.exit("tally/command.py: the line with VERSION is not there")
    made.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(made, "w") as bundle:
        for name, text in {"__main__.py": MAIN, **texts}.items():
            bundle.writestr(zipfile.ZipInfo(name, EPOCH), text)


if __name__ == "__main__":
    main(*sys.argv[1:])
