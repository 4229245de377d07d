"""The process of one model: `python -m recsys.experiment.child JOB FOLDER CHECKPOINT DESCRIPTOR`."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from recsys.processes import end_with_parent, peak_memory


def main() -> int:
    """Do the job in the file JOB; write results below FOLDER and progress, a JSON line a step, to DESCRIPTOR."""
    end_with_parent()
    job_file, folder, checkpoint, descriptor = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
    os.set_inheritable(descriptor, False)

    def tell(step: dict[str, Any]) -> None:
        os.write(descriptor, json.dumps(step).encode() + b"\n")

    from recsys.experiment.job import Job, as_failure

    try:
        from recsys.experiment.fit import fit_and_recommend

        fit_and_recommend(Job.model_validate_json(job_file.read_text()), folder, checkpoint, tell)
        tell({"cpu_seconds": time.process_time(), "peak_memory": peak_memory()})
    except MemoryError as error:
        tell({"failure": {**as_failure(error), "message": "ran out of memory"}})
        raise
    except Exception as error:
        failure = as_failure(error)
        tell({"failure": failure})
        if failure["status"] == 1:
            raise
    return 0


if __name__ == "__main__":
    sys.exit(main())
