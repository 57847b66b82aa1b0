"""`python3 -m notes`: serves on port 8080 until it is asked to end."""

import signal
import sys
from types import FrameType

from waitress import serve

from notes.service import service

PORT = 8080


def end(_number: int, _frame: FrameType | None) -> None:
    """The first process of a container ends on no signal that it doesn't handle."""
    sys.exit(0)


signal.signal(signal.SIGTERM, end)
print(f"Serving on port {PORT}")
serve(service(), host="0.0.0.0", port=PORT, threads=4, _quiet=True)
