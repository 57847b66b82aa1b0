"""The service, without a network."""

import io
import json
import unittest
from wsgiref.util import setup_testing_defaults

from notes.service import LONGEST, MOST, service


class TestNotes(unittest.TestCase):
    def setUp(self) -> None:
        self.app = service()

    def ask(self, method: str, text: str = "") -> tuple[str, str]:
        body = text.encode()
        environ = {"REQUEST_METHOD": method, "PATH_INFO": "/notes", "CONTENT_LENGTH": str(len(body))}
        setup_testing_defaults(environ)
        environ["wsgi.input"] = io.BytesIO(body)
        said: list[str] = []
        parts = self.app(environ, lambda status, _headers, _error=None: said.append(status))
        return said[0][:3], b"".join(parts).decode()

    def test_a_note_is_kept(self) -> None:
        self.assertEqual(self.ask("POST", "buy bread\n"), ("200", '{"count": 1}'))
        self.assertEqual(json.loads(self.ask("GET")[1]), {"notes": ["buy bread"]})

    def test_an_empty_note_and_one_that_is_too_long_are_refused(self) -> None:
        for text in ("", "  ", "x" * (LONGEST + 1)):
            self.assertEqual(self.ask("POST", text)[0], "400")

    def test_the_oldest_goes_first(self) -> None:
        for number in range(MOST + 1):
            self.ask("POST", str(number))
        notes = json.loads(self.ask("GET")[1])["notes"]
        self.assertEqual((len(notes), notes[0]), (MOST, "1"))
