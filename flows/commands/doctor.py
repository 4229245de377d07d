"""`recsys doctor`: is this installation sound, and what will a spec take?"""

from __future__ import annotations

import importlib
import os
import platform
import shlex
import shutil
import socket
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

import psutil

from flows.command import Speech, typed
from recsys.errors import RunError
from recsys.processes import cores
from recsys.settings import Settings, shown_address

PACKAGES = ("prefect", "mlflow", "torch", "rectools-lightfm", "pandas", "numpy", "scipy", "scikit-learn", "pyarrow")
LEAST_DISK = 2e9


class Finding(NamedTuple):
    """What a check found; fine is False where something has to be mended, and remedy says how."""

    check: str
    fine: bool
    text: str
    remedy: str = ""


def run(spec: Path | None, overrides: list[str], speech: Speech) -> None:
    """Check the installation; with a spec, estimate what it takes. Raises RunError where something is broken."""
    settings = Settings()
    findings = [finding for check in CHECKS for finding in check(settings)]
    for finding in findings:
        mark = "ok   " if finding.fine else "WRONG"
        speech.say(f"{mark} {finding.check:<12} {finding.text}{'; ' + finding.remedy if finding.remedy else ''}")
    plan = None
    if spec is not None:
        from flows.commands.plan import plan_of, say_plan

        plan = plan_of(spec, overrides, settings)
        say_plan(plan, speech)
    answer = {"checks": [finding._asdict() for finding in findings], "plan": plan}
    wrong = [finding for finding in findings if not finding.fine]
    if wrong:
        broken = RunError(wrong[0].check, wrong[0].text, wrong[0].remedy)
        broken.answer = answer
        raise broken
    speech.answer(answer)
    speech.say(f"\nnext: {typed('recsys')} compare {shlex.quote(str(spec or 'conf/demo.yaml'))}")


def _versions(settings: Settings) -> Iterator[Finding]:
    yield Finding("python", True, f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    for name in PACKAGES:
        try:
            yield Finding(name, True, version(name))
        except PackageNotFoundError:
            yield Finding(name, False, "is not installed", "run make install")


def _machine(settings: Settings) -> Iterator[Finding]:
    memory = psutil.virtual_memory()
    text = f"{cores()} cores, {memory.total / 1e9:.0f} GB of memory, {memory.available / 1e9:.0f} GB free"
    yield Finding("machine", True, text)


def _imports(settings: Settings) -> Iterator[Finding]:
    for module, why in (("lightfm._lightfm_fast", "LightFM was not compiled"), ("torch", "torch does not load")):
        try:
            importlib.import_module(module)
            yield Finding(module.partition(".")[0], True, "loads")
        except Exception as error:
            remedy = "install a C compiler, then: make install" if "lightfm" in module else "run make install"
            yield Finding(module.partition(".")[0], False, f"{why} ({error})", remedy)


def _home(settings: Settings) -> Iterator[Finding]:
    folder = settings.root
    while not folder.exists():
        folder = folder.parent
    if not os.access(folder, os.W_OK) or not folder.is_dir():
        yield Finding("home", False, f"{settings.root} cannot be written", "set RECSYS_HOME to a folder that can be")
        return
    free = shutil.disk_usage(folder).free
    remedy = "free some space, or try recsys gc" if free < LEAST_DISK else ""
    yield Finding("home", free >= LEAST_DISK, f"{settings.root}, {free / 1e9:.0f} GB free on its disk", remedy)
    stray = Path("mlruns")
    if stray.is_dir() and settings.owns_tracking:
        yield Finding("mlruns", True, "a stray folder mlruns/ lies here; this project does not use it")


def _ports(settings: Settings) -> Iterator[Finding]:
    for name, port in (("Prefect", settings.prefect_port), ("MLflow", settings.mlflow_port)):
        with socket.socket() as probe:
            taken = probe.connect_ex(("127.0.0.1", port)) == 0
        use = "in use (by `recsys up`, if that is running)" if taken else "free for `recsys up`"
        yield Finding(f"port {port}", True, f"{name}: {use}")


def _servers(settings: Settings) -> Iterator[Finding]:
    from flows.engine import is_healthy

    url = settings.prefect_api_url
    if url:
        remedy = "" if is_healthy(url) else "start it, or unset PREFECT_API_URL"
        said = "does not answer" if remedy else "answers"
        yield Finding("Prefect API", not remedy, f"{shown_address(url)} {said}", remedy)
    yield Finding("MLflow", True, settings.mlflow_place)


CHECKS: tuple[Callable[[Settings], Iterator[Finding]], ...] = (
    _versions,
    _machine,
    _imports,
    _home,
    _ports,
    _servers,
)
