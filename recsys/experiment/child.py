"""The process of one model: `python -m recsys.experiment.child JOB FOLDER CHECKPOINT DESCRIPTOR`."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recsys.errors import not_written
from recsys.processes import end_with_parent, peak_memory

NAME = "recsys fit"


def main() -> int:
    """Do what the command line says."""
    return work(sys.argv[1:4], int(sys.argv[4]))


def work(files: Sequence[str], descriptor: int) -> int:
    """Do a job, as a leashed process; its exit status.

    files: JOB, which describes it, FOLDER for its results, CHECKPOINT, which outlives it. descriptor: gets progress, a
    JSON line a step.
    """
    job_file, folder, checkpoint = map(Path, files)
    end_with_parent()
    _tell_linux()
    os.set_inheritable(descriptor, False)

    def tell(step: dict[str, Any]) -> None:
        os.write(descriptor, json.dumps(step).encode() + b"\n")

    from recsys.experiment.job import Job, as_failure

    try:
        from recsys.experiment.fit import fit_and_recommend

        fit_and_recommend(Job.model_validate_json(job_file.read_text()), folder, checkpoint, tell)
        tell({"cpu_seconds": _cpu_seconds(), "peak_memory": peak_memory()})
    except MemoryError as error:
        tell({"failure": {**as_failure(error), "message": "ran out of memory"}})
        raise
    except Exception as error:
        written = not_written(error, folder) if isinstance(error, OSError) else None
        failure = as_failure(written or error)
        tell({"failure": failure})
        if failure["status"] == 1:
            raise
    return 0


def _cpu_seconds() -> float:
    """Of this process and of all it started and waited for."""
    started = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + started.ru_utime + started.ru_stime


def _tell_linux() -> None:
    """What people see this process as, and that it is to go, and none that others depend on, where memory runs out."""
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text(NAME)
        Path("/proc/self/oom_score_adj").write_text("500")


if __name__ == "__main__":
    sys.exit(main())
