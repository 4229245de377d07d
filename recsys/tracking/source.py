"""Which code ran: tags that name the commit."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path


@cache
def source_tags() -> dict[str, str]:
    """The commit of the checkout this runs from, and whether it was changed since; empty outside a checkout."""
    folder = Path(__file__).parent

    def git(*args: str) -> str | None:
        try:
            done = subprocess.run(["git", *args], cwd=folder, capture_output=True, text=True, timeout=10, check=True)
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout.strip()

    commit = git("rev-parse", "HEAD")
    if not commit:
        return {}
    changed = git("status", "--porcelain", "--untracked-files=no")
    return {"git.commit": commit, "git.dirty": str(bool(changed)).lower(), "mlflow.source.git.commit": commit}
