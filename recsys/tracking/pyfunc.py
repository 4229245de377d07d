"""A bundle as MLflow has it: the folder of a version of a registered model, and what `mlflow models serve` answers."""

from __future__ import annotations

import shutil
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc import add_to_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
from mlflow.types.schema import AnyType

from recsys.errors import InputError
from recsys.serving.about import ABOUT
from recsys.serving.answers import for_nobody, for_user
from recsys.serving.bundle import Bundle, open_bundle
from recsys.serving.settings import ServeSettings

if TYPE_CHECKING:
    from recsys.serving.answers import Answer

BUNDLE = "bundle"
CODE = Path(__file__).with_name("pyfunc_model.py")
LOADER = "mlflow.pyfunc.loaders.code_model"
K = 10
# What a bundle is opened with. The project itself is not here: a name that no index has could be taken by anybody.
PACKAGES = (
    "mlflow",
    "numpy",
    "pandas",
    "scipy",
    "pyarrow",
    "pydantic",
    "pydantic-settings",
    "safetensors",
    "faiss-cpu",
)


def save_pyfunc(bundle: Path, folder: Path) -> None:
    """Write a bundle as a pyfunc model of MLflow to a new folder: its description, its code by file, the bundle inside.

    Nothing is pickled, nothing is looked up on a network, and no requirement is guessed. Raises InputError where the
    folder is not empty.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise InputError(str(folder), "is not empty", "name a new folder")
    shutil.copytree(bundle, folder / BUNDLE, symlinks=True)
    shutil.copyfile(CODE, folder / CODE.name)
    python = ".".join(map(str, sys.version_info[:3]))
    (folder / "python_env.yaml").write_text(f"python: {python}\ndependencies:\n- -r requirements.txt\n")
    (folder / "requirements.txt").write_text("".join(f"{name}=={version(name)}\n" for name in PACKAGES))
    model = Model(signature=_signature())
    model.model_size_bytes = sum(path.stat().st_size for path in (folder / BUNDLE).rglob("*") if path.is_file())
    add_to_model(  # type: ignore[no-untyped-call]
        model,
        loader_module=LOADER,
        model_code_path=CODE.name,
        python_env="python_env.yaml",
        artifacts={BUNDLE: {"path": BUNDLE, "uri": BUNDLE}},
        streamable=False,
    )
    model.save(str(folder / "MLmodel"))


def bundle_of(folder: Path) -> Path:
    """The bundle within the folder of a version. Raises InputError where it holds none."""
    found = folder / BUNDLE
    if not (found / ABOUT).is_file():
        raise InputError(str(folder), "holds no bundle", "register the model again: recsys retrain SPEC")
    return found


class BundleModel(PythonModel):
    """Lists from a bundle, by the same code that serves them over HTTP."""

    def load_context(self, context: PythonModelContext) -> None:
        """Open the bundle: hashes first, no pickle."""
        self.bundle = open_bundle(Path(context.artifacts[BUNDLE]))
        self.longest = ServeSettings().most

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Rows user, item, rank, score for each id in the column `user`; an unknown one gets the fallback list.

        params: k, the length of a list. Raises MlflowException, which a server answers with status 400.
        """
        k = int((params or {}).get("k", K))
        if not 1 <= k <= self.longest:
            raise _refusal(f"k is {k}; it must be from 1 to {self.longest}")
        if "user" not in model_input.columns:
            raise _refusal(f"there is no column 'user'; there are: {', '.join(map(str, model_input.columns))}")
        users = model_input["user"].tolist()
        for row, user in enumerate(users):
            if isinstance(user, bool) or not isinstance(user, int | str):
                raise _refusal(f"row {row}: user is {user!r}, an integer or a text is needed")
        return _frame(self.bundle, users, [_answer(self.bundle, str(user), k) for user in users])


def _answer(bundle: Bundle, user: str, k: int) -> Answer:
    place = bundle.find_user(user)
    return for_nobody(bundle, k) if place < 0 else for_user(bundle, place, k)


def _frame(bundle: Bundle, users: list[Any], answers: list[Answer]) -> pd.DataFrame:
    lengths = [len(answer.items) for answer in answers]
    items = np.concatenate([np.empty(0, dtype=np.int64), *(answer.items for answer in answers)])
    scores = np.concatenate([np.empty(0, dtype=np.float32), *(answer.scores for answer in answers)])
    return pd.DataFrame(
        {
            "user": [user for user, n in zip(users, lengths, strict=True) for _ in range(n)],
            "item": bundle.items.ids[items],
            "rank": np.concatenate([np.empty(0, dtype=np.int64), *(np.arange(1, n + 1) for n in lengths)]),
            "score": scores.astype(np.float64),
        }
    )


def _signature() -> ModelSignature:
    """Ids are integers or texts, as they are in the data."""
    identity = AnyType()  # type: ignore[no-untyped-call]
    return ModelSignature(
        inputs=Schema([ColSpec(identity, "user")]),
        outputs=Schema(
            [
                ColSpec(identity, "user"),
                ColSpec(identity, "item"),
                ColSpec(DataType.long, "rank"),
                ColSpec(DataType.double, "score"),
            ]
        ),
        params=ParamSchema([ParamSpec("k", DataType.long, K)]),
    )


def _refusal(message: str) -> MlflowException:
    return MlflowException(message, error_code=INVALID_PARAMETER_VALUE)
