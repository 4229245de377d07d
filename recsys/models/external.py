"""External: any other framework, as a command that reads a folder of tables and writes lists there."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from recsys.config import FloatArray, IntArray, wrong
from recsys.errors import InputError, RunError
from recsys.models.answer import read_lists
from recsys.models.base import ModelConfig
from recsys.models.command import run_command
from recsys.models.exchange import write_request
from recsys.models.list_maker import ListMaker, ListRequest
from recsys.training.run import FitRun

FOLDER = "{folder}"
# Nobody knows what a command takes; one that is slow is better begun early.
GUESSED_SECONDS = 60.0


def _argument(text: str) -> str:
    if "\0" in text:
        raise wrong("holds a null character", "no program can be given one")
    return text


def _names_a_program(command: tuple[str, ...]) -> tuple[str, ...]:
    if not command[0].strip():
        raise wrong("begins with an empty text", "begin with a program, such as python3")
    return command


Argument = Annotated[str, AfterValidator(_argument)]
Command = Annotated[tuple[Argument, ...], Field(min_length=1), AfterValidator(_names_a_program)]


class External(ListMaker):
    """A command of your own that trains and recommends: a program and its arguments, started without a shell.

    `{folder}` in an argument is replaced by a folder that holds the training rows, whom to serve and what of; the
    command writes recommendations.parquet there. docs/external.md describes both. Nothing is left to be served.
    """

    class Config(ModelConfig):
        name: Literal["external"] = "external"
        command: Command

        def files(self) -> tuple[Path, ...]:
            """The arguments that are files, such as a script, and the program where it is found."""
            program = shutil.which(self.command[0])
            named = [*([] if program is None else [program]), *self.command[1:]]
            return tuple(Path(name) for name in named if os.path.isfile(name))  # noqa: PTH113 -- takes any text

    stochastic = True

    def seconds(self, n_users: int, n_items: int, n_interactions: int) -> float:
        """A guess."""
        return GUESSED_SECONDS + super().seconds(n_users, n_items, n_interactions)

    def lists(self, request: ListRequest, run: FitRun) -> tuple[IntArray, FloatArray]:
        """Run the command in a folder of its own and read what it wrote.

        Raises InputError where there is no such program, RunError where it fails or its lists are not what they must
        be.
        """
        folder = request.folder.absolute()
        write_request(request, folder, run.seed, run.threads)
        program, *arguments = (part.replace(FOLDER, str(folder)) for part in self.config.command)
        try:
            ended = run_command([program, *arguments])
        except OSError as error:
            why = f"'{program}' cannot be started ({error.strerror})"
            raise InputError("command", why, "name a program that is there; is its environment made?") from None
        if ended.returncode != 0:
            raise RunError("", f"its command ended {ended.in_words}", f"try it by hand, its folder stays: {folder}")
        return read_lists(request, folder)
