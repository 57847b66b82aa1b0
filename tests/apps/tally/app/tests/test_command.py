from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from tally.command import main

COMMAND = [sys.executable, "-c", "import sys; from tally.command import main; sys.exit(main())"]


def tally(*arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*COMMAND, *arguments], input=given, capture_output=True, timeout=30, check=False)


class Command(unittest.TestCase):
    def test_standard_input_is_counted(self) -> None:
        self.assertEqual(tally(given=b"one two\n").stdout.split(), [b"1", b"2", b"8", b"8", b"-"])

    def test_json_is_for_programs(self) -> None:
        found = json.loads(tally("--json", "--top", "1", given=b"a b a\n").stdout)
        self.assertEqual(found, {"-": {"lines": 1, "words": 3, "characters": 6, "bytes": 6, "top": {"a": 2}}})

    def test_several_files_have_a_total(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            names = [str(Path(folder, name)) for name in "ab"]
            for name in names:
                Path(name).write_text("word\n")
            self.assertEqual(tally(*names).stdout.splitlines()[-1].split(), [b"2", b"2", b"10", b"10", b"total"])

    def test_a_file_that_is_missing_is_told_and_the_others_are_counted(self) -> None:
        done = tally("-", "/nowhere", given=b"x\n")
        self.assertEqual((done.returncode, done.stderr), (1, b"tally: /nowhere: no such file or directory\n"))
        self.assertEqual(done.stdout.split()[-1], b"-")

    def test_wrong_arguments_end_with_2(self) -> None:
        self.assertEqual(tally("--nonsense").returncode, 2)

    def test_signals_end_it_with_their_number(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            self.addCleanup(signal.signal, number, signal.getsignal(number))
            interrupted = mock.patch("tally.command.read", lambda _name, number=number: signal.raise_signal(number))
            with interrupted, self.assertRaises(SystemExit) as ended:
                main([])
            self.assertEqual(ended.exception.code, 128 + number)
