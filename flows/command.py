"""What every command shares: how it speaks, and how it ends."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shlex
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from recsys.data.shown import TURNING
from recsys.errors import ExpectedError, InputError, not_written

if TYPE_CHECKING:
    import typer
    from rich.console import Console

FILE_WIDTH = 180
PROGRESS_SECONDS = 5.0
INTERRUPTED = 130
TERMINATED = 143
CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}
CONTROL |= TURNING
"""What a terminal obeys: escapes, all else that is no text, and what turns the letters after it round."""


@dataclass(frozen=True)
class Speech:
    """How a command speaks. With --json, one object on standard output and everything else on standard error."""

    quiet: bool = False
    json: bool = False

    @cached_property
    def console(self) -> Console:
        """Where lines for people go."""
        from rich.console import Console

        stream = sys.stderr if self.json else sys.stdout
        # A file or pipe has no width of its own, and a table that is cut there is lost.
        return Console(file=stream, quiet=self.quiet, highlight=False, width=None if stream.isatty() else FILE_WIDTH)

    def say(self, text: str = "") -> None:
        """A line for people, as it is."""
        self.console.print(visible(text), markup=False, highlight=False, soft_wrap=True)

    def progress(self) -> Callable[[str, int, int | None], None]:
        """Tells how far a long step is, such as a download: now and then, in a line."""
        last = time.monotonic()

        def tell(what: str, done: int, total: int | None) -> None:
            nonlocal last
            if time.monotonic() - last > PROGRESS_SECONDS:
                last = time.monotonic()
                share = f"{done / total:.0%} of {total / 1e6:,.0f} MB" if total else f"{done / 1e6:,.0f} MB"
                self.say(f"{what}: {share}")

        return tell

    def answer(self, value: dict[str, Any]) -> None:
        """The result for programs; nothing without --json."""
        if self.json:
            sys.stdout.write(json.dumps(value, allow_nan=False) + "\n")
            sys.stdout.flush()


class Terminated(BaseException):
    """The process was told to end by TERM."""


@contextlib.contextmanager
def command(speech: Speech) -> Iterator[None]:
    """Turn how the body ends into messages and an exit status: 2 wrong input, 1 failed while running."""

    def terminate(number: int, frame: FrameType | None) -> None:
        raise Terminated

    signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    except ExpectedError as error:
        _fail(speech, error.exit_status, str(error), error.as_dict(), error.answer)
    except (KeyboardInterrupt, Terminated) as ended:
        sys.exit(say_stopped(speech, ended))
    except BrokenPipeError:
        # The reader of our output is gone: nothing to tell it any more.
        sys.exit(_give_up_on(sys.stdout))
    except Exception as error:
        from recsys.settings import Settings
        from recsys.tracking.database import damaged

        expected = not_written(error, "") if isinstance(error, OSError) else damaged(error, Settings())
        if expected is not None:
            _fail(speech, expected.exit_status, str(expected), expected.as_dict())
        log = _write_traceback(error)
        message = f"{type(error).__name__}: {error}".splitlines()[0]
        told = {"place": "", "message": message, "remedy": f"this is a bug; the traceback is in {log}"}
        _fail(speech, 1, f"unexpected error: {message}; the traceback is in {log}", told)


def typed(name: str) -> str:
    """A command of this installation as one can type it here: its name alone where that is enough."""
    path = Path(sys.executable).with_name(name)
    found = shutil.which(name)
    if not path.exists() or (found is not None and Path(found).resolve() == path.resolve()):
        return name
    return shlex.quote(short(path))


def short(path: Path) -> str:
    """A path from here where it lies below, else in full."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def again() -> str:
    """The command that was typed, to go on from where it ended."""
    return " ".join([typed("recsys"), *map(shlex.quote, sys.argv[1:])])


def status_of(ended: BaseException) -> int:
    """The exit status of a command that was stopped: by Ctrl-C, or by TERM."""
    return INTERRUPTED if isinstance(ended, KeyboardInterrupt) else TERMINATED


def say_stopped(speech: Speech, ended: BaseException) -> int:
    """Say that the command was stopped; its exit status."""
    status = status_of(ended)
    told = {"place": "", "message": "stopped", "remedy": again()}
    _say_failure(speech, status, "stopped; what was finished is kept", told)
    return status


def _fail(
    speech: Speech, status: int, text: str, told: dict[str, Any], answer: Mapping[str, Any] | None = None
) -> NoReturn:
    _say_failure(speech, status, text, told, answer)
    sys.exit(status)


def _say_failure(
    speech: Speech, status: int, text: str, told: dict[str, Any], answer: Mapping[str, Any] | None = None
) -> None:
    if speech.json:
        with contextlib.suppress(OSError):  # that may be what has failed
            speech.answer({**(answer or {}), "error": told})
    _complain(f"{text}\n{'then run again' if status == 2 else 'go on with'}: {again()}")


def _write_traceback(error: BaseException) -> str:
    from recsys.settings import Settings

    path = Settings().logs / f"error-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(traceback.format_exception(error)))
    except OSError:
        return "no file (the home cannot be written)"
    return str(path)


def visible(text: str) -> str:
    r"""A text without what a terminal would obey; lines and tabs stay.

    >>> visible("title \x1b[2J")
    'title \\x1b[2J'
    >>> visible("12\u202e34")
    '12\\u202e34'
    """
    return text.translate(CONTROL)


def write_new(target: Path, text: str) -> None:
    """Write a file that is not there yet, and the folder it is in. Raises InputError where it is."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise taken(target) from None


def taken(target: Path) -> InputError:
    """What to say where a file is there that is to be made."""
    return InputError(str(target), "is there already", "name another file with --out, or remove this one")


def _open_streams() -> None:
    """Streams for all that is printed: where one was closed, and where its encoding lacks a character."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:  # or the next file that is opened would get its number, and what is printed
            os.open(os.devnull, os.O_RDWR)
    sys.stdout, sys.stderr = (
        stream or open(number, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 -- for as long as the process
        for number, stream in ((1, sys.stdout), (2, sys.stderr))
    )
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _give_up_on(stream: TextIO) -> int:
    """Have what is left for a stream that cannot be written go nowhere; the exit status."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return 1


def _complain(text: str) -> None:
    """Lines on standard error, where that can be written."""
    try:
        sys.stderr.write(f"{visible(text)}\n")
        sys.stderr.flush()
    except OSError:
        _give_up_on(sys.stderr)


def run_app(app: typer.Typer) -> None:
    """Run the command line; wrong usage is one line and status 2, and output that cannot be written status 1."""
    _open_streams()
    try:
        try:
            _run(app)
        finally:
            sys.stdout.flush()
    except OSError as error:
        if not isinstance(error, BrokenPipeError):
            _complain(f"standard output: cannot be written ({error.strerror}); have it go elsewhere")
        sys.exit(_give_up_on(sys.stdout))


def _run(app: typer.Typer) -> None:
    import typer

    try:
        Path.cwd()
    except FileNotFoundError:
        _refuse("recsys", "the working folder has been deleted", "go to another one")
    wrong = next((word for word in sys.argv[1:] if not word.isascii() and not _is_text(word)), None)
    if wrong is not None:
        _refuse("recsys", f"{wrong!a} is no text in UTF-8", "write it in characters; a file has to be renamed")
    # Typer carries a copy of click of its own and exports only some of its errors: the others are their bases.
    click_error: type[Exception] = typer.BadParameter.__mro__[2]
    try:
        app(standalone_mode=False, prog_name="recsys")
    except typer.Exit as ended:
        sys.exit(ended.exit_code)
    except typer.Abort:
        sys.exit(INTERRUPTED)
    except click_error as error:
        context = getattr(error, "ctx", None)
        place = context.command_path if context else "recsys"
        _refuse(place, error.format_message().rstrip("."), f"see {place} --help")  # type: ignore[attr-defined]


def _refuse(place: str, message: str, remedy: str) -> NoReturn:
    if "--json" in sys.argv:
        Speech(json=True).answer({"error": {"place": place, "message": message, "remedy": remedy}})
    _complain(f"{place}: {message}; {remedy}")
    sys.exit(2)


def _is_text(word: str) -> bool:
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return True
