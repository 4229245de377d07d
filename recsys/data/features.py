"""Columns that describe users and items: what kind each is, and all of them as one sparse matrix."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from recsys.data.dataset import Entities, Kind
from recsys.data.shown import quoted, short
from recsys.data.values import MISSING
from recsys.errors import InputError

TITLE = "title"
SEPARATOR = "|"
MOST_CATEGORIES = 1000
# A column of a small table may hold this many different values and still be a category.
FEW_CATEGORIES = 20
LONGEST_CATEGORY = 40
BUCKETS = 8


def describe(frame: pd.DataFrame, place: str) -> tuple[pd.DataFrame, dict[str, Kind]]:
    """Feature columns in their canonical form, and the kind of each.

    number: float64. category and text: strings. labels: strings joined by '|'. A missing or empty value is NaN in all.
    Kinds are read off the values: lists, and text where '|' joins values that recur, are labels; text of which all is
    numbers is a number; text whose values recur is a category. The column `title` is always text.

    Raises InputError where a list holds the separator of labels.
    """
    columns, kinds = {}, {}
    for name in frame.columns:
        columns[str(name)], kinds[str(name)] = _describe(frame[name], str(name), place)
    return pd.DataFrame(columns, index=frame.index), kinds


def titles(entities: Entities) -> np.ndarray:
    """What to show for each entity, (n,) str: its title, or its id where it has none."""
    ids = np.array([str(one) for one in entities.ids], dtype=object)
    if TITLE not in entities.features:
        return ids
    title = entities.features[TITLE]
    return np.where(title.isna(), ids, title.astype(object))


def one_hot(
    entities: Entities, buckets: int = BUCKETS, normalize: bool = False, known: Sequence[str] = ()
) -> tuple[sparse.csr_array, list[str]]:
    """Features as ones: (n, n_features) float32, and the name of each feature, such as 'genres=Drama'.

    A category or label is a feature of its own; a number falls into one of `buckets` quantiles; text is left out; a
    missing value has no feature. normalize: rows that have features sum to 1. known: names that an earlier call gave:
    they come first, here or not, and numbers fall into their buckets.

    Raises InputError where a column of numbers is known by words.
    """
    blocks: list[sparse.csr_array] = []
    names: list[str] = []
    for column, kind in entities.kinds.items():
        values = entities.features[column]
        if kind == "number":
            rows, codes, levels = _known_quantiles(values, column, known) or _quantiles(values, buckets)
        elif kind == "category":
            rows, codes, levels = _levels(values.dropna())
        elif kind == "labels":
            rows, codes, levels = _levels(_exploded(values))
        else:
            continue
        shape = (len(entities), len(levels))
        block = sparse.csr_array((np.ones(len(rows), np.float32), (rows, codes)), shape=shape)
        block.data[:] = 1
        blocks.append(block)
        names += [f"{column}={level}" for level in levels]
    if not blocks:
        return sparse.csr_array((len(entities), len(known)), dtype=np.float32), list(known)
    matrix = sparse.csr_array(sparse.hstack(blocks, format="csr"), dtype=np.float32)
    if known:
        names, found = list(dict.fromkeys([*known, *names])), names
        place = pd.Index(names).get_indexer(pd.Index(found))
        shape = (len(entities), len(names))
        matrix = sparse.csr_array((matrix.data, place[matrix.indices], matrix.indptr), shape=shape)
    if normalize:
        matrix.data /= np.repeat(np.diff(matrix.indptr), np.diff(matrix.indptr))
    return matrix, names


def _describe(values: pd.Series, name: str, place: str) -> tuple[pd.Series, Kind]:
    present = values.dropna()
    is_list = len(present) > 0 and isinstance(present.iloc[0], (list, tuple, set, np.ndarray))
    if is_list:
        return _joined(values, name, place), "text" if name == TITLE else "labels"
    if name == TITLE:
        return _read_text(_stripped(values), name)
    if _is_number(values.dtype):
        return values.astype("float64").where(np.isfinite(values.astype("float64"))), "number"
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        # In their own unit: coarse ones reach beyond what nanoseconds hold.
        moments = values.dt.tz_localize(None).to_numpy()
        days = (moments - np.array(0, moments.dtype)) / np.timedelta64(1, "D")
        return pd.Series(days, index=values.index), "number"
    if pd.api.types.is_bool_dtype(present.infer_objects().dtype):
        return values.map({True: "true", False: "false"}).astype("str"), "category"
    return _read_text(_stripped(values), name)


def _stripped(values: pd.Series) -> pd.Series:
    """As text without white space around it, NaN where it marks a missing value."""
    text = values.astype("str").str.strip()
    return text.mask(text.isin(MISSING))


def _read_text(text: pd.Series, name: str) -> tuple[pd.Series, Kind]:
    present = text.dropna()
    if name == TITLE or not len(present):
        return text, "text"
    numbers = pd.to_numeric(present, errors="coerce")
    padded = present.str.match(r"[+-]?0\d").any()
    if numbers.notna().all() and np.isfinite(numbers).all() and not padded:
        return pd.to_numeric(text, errors="coerce").astype("float64"), "number"
    if present.str.contains(SEPARATOR, regex=False).any():
        labels = _exploded(text)
        if labels.nunique() <= min(MOST_CATEGORIES, max(FEW_CATEGORIES, len(labels) / 2)):
            return text, "labels"
    n_different = present.nunique()
    recur = n_different < len(present) and n_different <= max(FEW_CATEGORIES, len(present) / 2)
    if recur and n_different <= MOST_CATEGORIES and present.str.len().mean() <= LONGEST_CATEGORY:
        return text, "category"
    return text, "text"


def _is_number(dtype: Any) -> bool:
    return pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_bool_dtype(dtype)


def _joined(values: pd.Series, name: str, place: str) -> pd.Series:
    def join(labels: Any) -> str | float:
        if not isinstance(labels, (list, tuple, set, np.ndarray)):
            return np.nan
        texts = [str(label).strip() for label in _in_order(labels) if not _is_none(label)]
        if any(SEPARATOR in text for text in texts):
            raise InputError(place, f"a label of column {quoted(name)} holds '|', which separates labels", "replace it")
        return SEPARATOR.join(text for text in texts if text) or np.nan

    return values.map(join).astype("str")


def _is_none(label: Any) -> bool:
    return label is None or label != label


def _in_order(labels: Iterable[Any]) -> Iterable[Any]:
    return sorted(labels) if isinstance(labels, set) else labels


def _exploded(text: pd.Series) -> pd.Series:
    """One row a label, under the index of its entity."""
    labels = text.dropna().str.split(SEPARATOR, regex=False).explode().str.strip()
    return labels[labels != ""]


def _levels(values: pd.Series) -> tuple[np.ndarray, np.ndarray, list[str]]:
    codes, levels = pd.factorize(values, sort=True)
    return values.index.to_numpy(), codes, list(levels)


def _known_quantiles(
    values: pd.Series, column: str, known: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, list[str]] | None:
    """As `_quantiles`, in the buckets that these names tell, each up to where the next begins; None without any."""
    levels = [name.removeprefix(f"{column}=") for name in known if name.startswith(f"{column}=")]
    if not levels:
        return None
    try:
        lows = np.array([float(level.partition(" to ")[0]) for level in levels])
    except ValueError as error:
        held = f"held other things when the model was fitted ({short(str(error))})"
        message = f"column {quoted(column)} holds numbers, and {held}"
        raise InputError("features", message, "fit the model anew, or name another column") from error
    present = values.dropna()
    codes = np.searchsorted(lows, present.to_numpy(dtype=np.float64), side="right") - 1
    return present.index.to_numpy(), codes.clip(0), levels


def _quantiles(values: pd.Series, buckets: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Rows, their buckets, and a name for each bucket: its smallest and largest value."""
    present = values.dropna()
    number = present.to_numpy(dtype=np.float64)
    if not len(number):
        return np.empty(0, np.int64), np.empty(0, np.int64), []
    edges = np.unique(np.quantile(number, np.linspace(0, 1, buckets + 1)[1:-1], method="higher"))
    different = np.unique(number)
    if len(different) <= buckets:
        edges = different[1:]
    filled, codes = np.unique(np.searchsorted(edges, number, side="right"), return_inverse=True)
    names = []
    for bucket in range(len(filled)):
        inside = number[codes == bucket]
        low, high = inside.min(), inside.max()
        names.append(f"{low:g}" if low == high else f"{low:g} to {high:g}")
    return present.index.to_numpy(), codes, names
