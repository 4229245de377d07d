"""The crash points: moments between two changes of state at which a real process is held and ended.

A point is what FAULTS_HOLD takes (see plugin/sitecustomize.py): nothing in the program knows of them. Those of a walk
stand in the order in which an undisturbed run comes by, so that a chain of starts can be ended at one after the other.
"""

from __future__ import annotations

import signal
from collections.abc import Callable

from faults.harness import Command, Ended, Workplace

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)

SEALED, IN_PLACE = "after recsys.store.folders _seal", "after recsys.store.folders Store.produce"
"""Of a stage, whose name follows: its files are complete beside their place; they are in it."""

FLOW_RUN_BEGUN = "before flows.flow_runs remembered"
"""Prefect has a flow run, and no note says whose it is."""

COMPARE = {
    "mlflow.db made": "after recsys.tracking.database end",
    "mlflow.db in place": "after recsys.tracking.database ensure_database",
    "data sealed": f"{SEALED} dataset",
    "data in place": f"{IN_PLACE} dataset",
    "split sealed": f"{SEALED} split",
    "parent opened": "after recsys.tracking.runs Tracker.open_parent",
    "child opened": "after recsys.tracking.runs Tracker.open_child",
    "fit sealed": f"{SEALED} fit",
    "fit in place": f"{IN_PLACE} fit",
    "evaluation sealed": f"{SEALED} evaluation",
    "metrics logged": "after recsys.tracking.runs Tracker.log_metrics",
    "model logged, named by no run": "before mlflow.tracking.client MlflowClient.log_outputs",
    "model logged": "after recsys.tracking.runs Tracker.log_model",
    "child closed": "after recsys.tracking.runs Tracker.close",
    "comparison sealed": f"{SEALED} comparison",
    "report in place": f"{IN_PLACE} report",
    "result in its folder": "before recsys.tracking.runs Tracker.log_files",
    "result logged": "after recsys.tracking.summary log_summary",
    "parent about to be closed": "before tasks.recorder Recorder.close",
    "parent closed": "after tasks.recorder Recorder.close",
}

RETRAIN = {
    "in a fit": "before recsys.models.ease Ease.fit",
    "window in place": f"{IN_PLACE} window",
    "bundle sealed": f"{SEALED} bundle",
    "model logged, named by no run": "before mlflow.tracking.client MlflowClient.log_outputs",
    "model logged": "after recsys.tracking.runs Tracker.log_model",
    "version made": "before mlflow.tracking.client MlflowClient.set_registered_model_alias",
    "registered": "after recsys.tracking.registry Registry.register",
    "record about to be written": "before recsys.tracking.decisions Decisions.write",
    "record half written": "after recsys.tracking.runs Tracker.log_text",
    "record written": "after recsys.tracking.decisions Decisions.write",
    "alias about to be set": "before recsys.tracking.registry Registry.promote",
    "alias set, still challenger": "before mlflow.tracking.client MlflowClient.delete_registered_model_alias",
    "alias set": "before recsys.tracking.registry Registry.tag",
    "a tag set": "after mlflow.tracking.client MlflowClient.set_model_version_tag",
    "tags set": "after recsys.tracking.registry Registry.promote",
    "lists written": "before recsys.serving.publish_folder FolderTarget._point",
    "lists swapped": "after recsys.serving.publish_folder FolderTarget._point",
    "lists published": "after tasks.publishing publish_champion",
    "parent about to be closed": "before tasks.recorder Recorder.close",
    "parent closed": "after tasks.recorder Recorder.close",
}

TUNE = {
    "trial sealed": f"{SEALED} trial",
    "trial in place": f"{IN_PLACE} trial",
    "trial half logged": "before recsys.tracking.runs Tracker.log_metrics",
    "trial logged": "after recsys.tracking.runs Tracker.log_trial",
    "search in place": f"{IN_PLACE} tuned",
    "parent about to be closed": "before tasks.recorder Recorder.close",
}

BACKTEST = {
    "in a fit": "before recsys.models.popularity Popularity.fit",
    "parent opened": "after recsys.tracking.runs Tracker.open_parent",
    "fit in place": f"{IN_PLACE} fit",
    "ages sealed": f"{SEALED} aged",
    "ages in place": f"{IN_PLACE} aged",
    "files logged": "after recsys.tracking.runs Tracker.log_files",
    "result in its folder": "before recsys.tracking.runs Tracker.log_steps",
    "metrics logged": "after recsys.tracking.runs Tracker.log_steps",
    "parent about to be closed": "before tasks.recorder Recorder.close",
    "parent closed": "after tasks.recorder Recorder.close",
}


def turn(point: str, points: dict[str, str]) -> tuple[signal.Signals, bool]:
    """The signal that this point gets where it gets only one, and whether it goes to the children too."""
    number = list(points).index(point)
    return SIGNALS[number % len(SIGNALS)], number % 2 == 1


def ended_at(
    moment: str, number: signal.Signals, place: Workplace, start: Callable[..., Command], with_children: bool = False
) -> Ended | None:
    """One start that is ended at this moment, and leaves no process; None for one that was killed.

    A signal that can be caught comes while the moment lasts, and the process goes on from there as it likes.
    """
    go_on = place.folder / "go-on"
    go_on.unlink(missing_ok=True)
    command = start(FAULTS_HOLD=moment, FAULTS_GO_ON=str(go_on))
    command.wait_until_held()
    ended = None
    if number == signal.SIGKILL:
        command.kill(with_children)
    else:
        command.process.send_signal(number)
        go_on.touch()
        ended = command.wait(60)
        assert ended.status in (0, 128 + number), ended.said  # 0 where nothing was left to do
        assert "Traceback" not in ended.said, ended.said
    place.assert_empty()
    return ended
