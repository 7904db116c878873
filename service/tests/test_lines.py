"""Log lines that are written together: none is lost, none is torn, and they are what they would have been."""

import io
import json
import os
import subprocess
import sys
import threading
import time

from service import lines
from service.lines import Lines
from service.up import ROOT


class Slow(io.BytesIO):
    """A reader that takes its time for each write, and counts them."""

    writes = 0

    def write(self, content: bytes) -> int:  # type: ignore[override]
        """Take it."""
        time.sleep(0.01)
        self.writes += 1
        return super().write(content)


def test_lines_of_many_threads_are_whole_and_few_writes() -> None:
    """Eight threads of five hundred lines each: all there, in the order of each thread, in far fewer writes."""
    out = Slow()
    kept = Lines(out)

    def log(name: int) -> None:
        for n in range(500):
            kept.info(b"%d %d" % (name, n))

    threads = [threading.Thread(target=log, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept.write()
    found = [tuple(map(int, line.split())) for line in out.getvalue().splitlines()]
    assert len(found) == 4000
    for name in range(8):
        assert [n for of, n in found if of == name] == list(range(500))
    assert out.writes < 200


def test_a_line_is_written_soon() -> None:
    """Without anybody asking."""
    out = io.BytesIO()
    Lines(out).info(b"a")
    ends = time.monotonic() + 100 * lines.PAUSE
    while not out.getvalue() and time.monotonic() < ends:
        time.sleep(lines.PAUSE / 10)
    assert out.getvalue() == b"a\n"


def test_a_reader_that_does_not_keep_up_slows_the_writer() -> None:
    """No more wait than may."""
    out = Slow()
    kept = Lines(out)
    for _ in range(3 * lines.MOST):
        kept.info(b"x")
        assert len(kept._waiting) <= lines.MOST + 1


PROGRAM = """
import structlog
from service.lines import keep_lines
from service.observability import configure
configure()
log = structlog.get_logger()
{keep}
log.info("request", ms=1.5, status=200, place=("a", 1), text="é \\u2028", nothing=None, odd=print, nan=float("nan"))
log.warning("second")
"""


def test_lines_are_what_they_would_have_been() -> None:
    """The same JSON as without, once the process has ended; levels and moments included."""
    told = []
    for keep in ("", "keep_lines()"):
        command = [sys.executable, "-c", PROGRAM.format(keep=keep)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        output = subprocess.run(command, env=environment, capture_output=True, check=True).stdout
        parsed = [json.loads(line) for line in output.splitlines()]
        assert all(line.pop("timestamp").endswith("Z") for line in parsed)
        told.append([{**line, "nan": str(line.get("nan"))} for line in parsed])
    assert told[0] == told[1]
    assert [line["level"] for line in told[1]] == ["info", "warning"]
