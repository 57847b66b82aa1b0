"""Answers on a port until it is asked to end."""

import os
import signal
import socket
import sys

PORT = int(os.environ["PORT"])


def serve() -> None:
    """Answer whoever comes."""
    # a code that nobody else would end it with
    signal.signal(signal.SIGTERM, lambda *_: os._exit(7))
    with socket.create_server(("", PORT)) as server:
        while True:
            link, _ = server.accept()
            with link:
                link.sendall(os.environ["GREETING"].encode())


def check() -> None:
    """Ask it."""
    with socket.create_connection(("127.0.0.1", PORT), timeout=1) as link:
        sys.exit(0 if link.recv(100) else 1)


if __name__ == "__main__":
    act = {"serve": serve, "check": check}.get(sys.argv[1])
    if act is None:
        print("usage: beacon serve | check")
    else:
        act()
