"""Other libraries, each in an environment of its own: they want other versions of what we stand on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[2]
PLACE = ROOT / ".venv-peers"
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"), "1")
NEEDED = {
    "polars": ("polars==1.35.2",),
    "rectools": ("rectools[torch]==0.19.0", "implicit==0.7.3", "pyarrow<22"),
    "lenskit": ("lenskit==2025.8.1", "pyarrow"),
    "tfrs": ("--requirement", str(ROOT / "examples" / "tfrs" / "requirements.txt")),
}


def elsewhere(name: str, script: str, **inputs: Any) -> dict[str, float]:
    """What a script beside this file prints, run in the environment of a library; nothing where it is not had.

    inputs: tables, arrays and settings that it reads from the folder it is given, by the names of their files.
    """
    environment = PLACE / name
    python = environment / "bin" / "python"
    if not python.exists() and not _made(environment, NEEDED[name]):
        return {}
    for file, given in inputs.items():
        if isinstance(given, pd.DataFrame):
            given.to_parquet(environment / f"{file}.parquet")
        elif isinstance(given, np.ndarray):
            np.save(environment / f"{file}.npy", given)
        else:
            (environment / f"{file}.json").write_text(json.dumps(given))
    command = [str(python), str(Path(__file__).with_name(script)), str(environment)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | ONE_THREAD)
    if done.returncode != 0:
        print(done.stderr[-2000:], file=sys.stderr)
        return {}
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _made(environment: Path, needed: tuple[str, ...]) -> bool:
    """Whether an environment with these packages could be made, torch as the project has it."""
    made = environment.with_name(f".{environment.name}")
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(made)], check=True)
    torch = next(line for line in (ROOT / "constraints.txt").read_text().split() if line.startswith("torch=="))
    (made / "torch.txt").write_text(torch + "\n")
    asked = ["install", "--quiet", "--disable-pip-version-check", "--constraint", str(made / "torch.txt"), *needed]
    if subprocess.run([str(made / "bin" / "python"), "-m", "pip", *asked], check=False).returncode != 0:
        return False
    made.rename(environment)
    return True
