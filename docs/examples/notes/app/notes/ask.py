"""`python3 -m notes.ask`: ends with 0 when the service in the same container answers.

By a socket: http.client takes three times as long to load, and this runs every few seconds.
"""

import socket

with socket.create_connection(("127.0.0.1", 8080), timeout=15) as asked:
    asked.sendall(b"GET /notes HTTP/1.0\r\nHost: localhost\r\n\r\n")
    raise SystemExit(not asked.recv(16).startswith(b"HTTP/1.0 200"))
