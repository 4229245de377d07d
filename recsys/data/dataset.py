"""The immutable Dataset: coded interactions, and the users and items they are about."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from recsys.config import FloatArray, IntArray
from recsys.data.raw import Clock

# pandas takes most of a second to import, and reading a spec needs none of it.
if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["number", "category", "labels", "text"]

COLUMNS = ("user", "item", "value", "timestamp", "part")


@dataclass(frozen=True, eq=False)
class Entities:
    """Users or items: their ids in ascending order, and a row of features for each.

    ids: (n,) int64, or object holding str. features: (n,) rows. kinds: what each feature column holds.
    """

    ids: NDArray[Any]
    features: pd.DataFrame
    kinds: dict[str, Kind]

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, positions: IntArray) -> Entities:
        """The entities at these positions, in this order."""
        return Entities(self.ids[positions], self.features.iloc[positions].reset_index(drop=True), self.kinds)

    @cached_property
    def index(self) -> pd.Index:
        import pandas as pd

        return pd.Index(self.ids)

    def positions(self, ids: Any) -> IntArray:
        """Position of each id, (n,); -1 where it is not here. Integers may be given as text, and text as integers."""
        import pandas as pd

        wanted = pd.Index(ids)
        if isinstance(wanted.dtype, pd.CategoricalDtype):
            return np.append(self.positions(wanted.categories), -1)[wanted.codes]
        if self.ids.dtype == object:
            return self.index.get_indexer(wanted.astype("str"))
        if pd.api.types.is_integer_dtype(wanted.dtype):
            return self.index.get_indexer(wanted)
        return pd.Index(self.ids.astype("str")).astype("str").get_indexer(wanted.astype("str"))

    def parse(self, text: str) -> int:
        """Position of an id given as text, or -1."""
        return int(self.positions([text])[0])

    def frame(self, name: str) -> pd.DataFrame:
        """Ids as the column `name`, features beside it."""
        import pandas as pd

        ids = pd.Series(self.ids, name=name, dtype=None if self.ids.dtype != object else "str")
        return pd.concat([ids, self.features], axis=1)

    @classmethod
    def from_frame(cls, frame: pd.DataFrame, name: str, kinds: dict[str, Kind]) -> Entities:
        ids = frame[name].to_numpy()
        return cls(ids if ids.dtype == np.int64 else ids.astype(object), frame.drop(columns=name), kinds)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Coded interactions in the order of their source.

    user, item: (n,) int32 positions in users and items. value: (n,) float32 or None. timestamp: (n,) int64 or None:
    microseconds since 1970 where clock is "time", each user's own order where it is "order"; where there is none the
    order of rows counts as time, unless clock is "none". part: (n,) int8 or None: 0 to be split, 1 test, 2 validation.
    sessions: columns session (int64), item (position) and user (position or -1), rows in the order of viewing, or None.
    account: rows read, dropped and kept, by reason. columns: by role, the column of the source's files that plays it,
    where it has named ones.
    """

    user: IntArray
    item: IntArray
    value: FloatArray | None
    timestamp: IntArray | None
    part: NDArray[np.int8] | None
    users: Entities
    items: Entities
    sessions: pd.DataFrame | None
    clock: Clock
    account: dict[str, int]
    columns: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.user)

    def save(self, folder: Path) -> None:
        """Write to an empty folder: one array a file, so that a reader can map them into memory."""
        for name in COLUMNS:
            array = getattr(self, name)
            if array is not None:
                np.save(folder / f"{name}.npy", array)
        self.users.frame("user").to_parquet(folder / "users.parquet", index=False)
        self.items.frame("item").to_parquet(folder / "items.parquet", index=False)
        if self.sessions is not None:
            self.sessions.to_parquet(folder / "sessions.parquet", index=False)
        about = {
            "clock": self.clock,
            "account": self.account,
            "columns": self.columns,
            "user_kinds": self.users.kinds,
            "item_kinds": self.items.kinds,
        }
        (folder / "dataset.json").write_text(json.dumps(about, indent=1))

    @classmethod
    def load(cls, folder: Path) -> Dataset:
        """Open a stored data set; its arrays stay on disk until they are read."""
        import pandas as pd

        about = json.loads((folder / "dataset.json").read_text())

        def array(name: str) -> Any:
            path = folder / f"{name}.npy"
            return np.load(path, mmap_mode="r", allow_pickle=False) if path.exists() else None

        sessions = folder / "sessions.parquet"
        return cls(
            **{name: array(name) for name in COLUMNS},
            users=Entities.from_frame(pd.read_parquet(folder / "users.parquet"), "user", about["user_kinds"]),
            items=Entities.from_frame(pd.read_parquet(folder / "items.parquet"), "item", about["item_kinds"]),
            sessions=pd.read_parquet(sessions) if sessions.exists() else None,
            clock=about["clock"],
            account=about["account"],
            columns=about["columns"],
        )


def in_time(timestamp: IntArray | None, n: int) -> IntArray:
    """Row numbers in the order of time, (n,): equal timestamps keep the order of rows, as do rows without any."""
    return np.arange(n) if timestamp is None else np.argsort(timestamp, kind="stable")
