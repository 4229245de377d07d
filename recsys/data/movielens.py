"""The MovieLens sets in their official formats, from a folder or an archive.

Harper and Konstan, "The MovieLens Datasets: History and Context", ACM TiiS 5(4), 2015.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from recsys.config import IntArray
from recsys.data.movielens_files import FACTS, Files
from recsys.data.raw import Clock, Origin, Raw
from recsys.data.text import TextFile, headless, open_text
from recsys.data.values import Column, numbers, times
from recsys.errors import InputError

RATINGS = ("userId", "movieId", "rating", "timestamp")
MOVIES = ("movieId", "title", "genres")
NO_GENRES = "(no genres listed)"
AGES_1M = {1: "under 18", 18: "18-24", 25: "25-34", 35: "35-44", 45: "45-49", 50: "50-55", 56: "56+"}
OCCUPATIONS_1M = (
    "other",
    "academic/educator",
    "artist",
    "clerical/admin",
    "college/grad student",
    "customer service",
    "doctor/health care",
    "executive/managerial",
    "farmer",
    "homemaker",
    "K-12 student",
    "lawyer",
    "programmer",
    "retired",
    "sales/marketing",
    "scientist",
    "self-employed",
    "technician/engineer",
    "tradesman/craftsman",
    "unemployed",
    "writer",
)


def read(name: str, files: Files) -> Raw:
    """The tables of one MovieLens set: ratings, movies, and users where the set describes them.

    Raises InputError where a file is missing or damaged, or the number of ratings is not the published one.
    """
    readers = {"movielens-100k": _read_100k, "movielens-1m": _read_1m}
    raw = readers.get(name, _read_csv)(files)
    expected = FACTS[name].ratings
    if len(raw.interactions) != expected:
        raise InputError(
            raw.name("interactions"),
            f"{len(raw.interactions):,} ratings, the published {name} has {expected:,}",
            "get the official files again, or read changed ones with source: table",
        )
    return raw


def _read_100k(files: Files) -> Raw:
    ratings = headless(*files.read("u.data"), "\t", ("user", "item", "value", "timestamp"))
    genres = headless(*files.read("u.genre"), "|", ("genre", "index")).read(["genre"])["genre"].to_pylist()
    about = ("item", "title", "release", "video", "url")
    movies = headless(*files.read("u.item"), "|", (*about, *genres), "iso-8859-1")
    users = headless(*files.read("u.user"), "|", ("user", "age", "gender", "occupation", "zip"))
    movie = _frame(movies, "item")
    flags = movie[genres].to_numpy() == "1"
    labels = ["|".join(genre for genre, flag in zip(genres, row, strict=True) if flag) for row in flags]
    year = _year(movie["title"]).fillna(movie["release"].str.extract(r"(\d{4})$")[0].astype("float64"))
    items = pd.DataFrame({"item": movie["item"], "title": movie["title"], "year": year, "genres": labels})
    return _raw(ratings, items, _frame(users, "user", "age"))


def _read_1m(files: Files) -> Raw:
    # A copy in circulation holds each user's own order in place of the time.
    ordered = not files.has("ratings.dat") and files.has("ratings-seq.dat")
    ratings = headless(
        *files.read("ratings-seq.dat" if ordered else "ratings.dat"), "::", ("user", "item", "value", "timestamp")
    )
    movies = headless(*files.read("movies.dat"), "::", ("item", "title", "genres"), "iso-8859-1")
    users = headless(*files.read("users.dat"), "::", ("user", "gender", "age", "occupation", "zip"))
    user = _frame(users, "user", "age", "occupation")
    user["age"] = user["age"].map(AGES_1M)
    user["occupation"] = user["occupation"].map(dict(enumerate(OCCUPATIONS_1M)))
    return _raw(ratings, _movies(movies, "item"), user, "order" if ordered else "time")


def _read_csv(files: Files) -> Raw:
    ratings, movies = open_text(*files.read("ratings.csv")), open_text(*files.read("movies.csv"))
    for file, columns in ((ratings, RATINGS), (movies, MOVIES)):
        if file.header != columns:
            raise InputError(
                file.name, f"its columns are {', '.join(file.header)}", f"the official file has {', '.join(columns)}"
            )
    return _raw(ratings, _movies(movies, "movieId"), None)


def _movies(file: TextFile, id_column: str) -> pd.DataFrame:
    movie = _frame(file, id_column)
    genres = movie["genres"].where(movie["genres"] != NO_GENRES)
    return pd.DataFrame(
        {"item": movie[id_column], "title": movie["title"], "year": _year(movie["title"]), "genres": genres}
    )


def _frame(file: TextFile, *whole: str) -> pd.DataFrame:
    """A file that describes movies or users. whole: its columns of whole numbers; the others are text."""
    columns = _columns(file)
    return pd.DataFrame(
        {name: _whole(column) if name in whole else column.data.to_pandas() for name, column in columns.items()}
    )


def _columns(file: TextFile) -> dict[str, Column]:
    table = file.read([name for name in file.header if name])
    origins = (Origin(file.name, table.num_rows, file.line),)
    return {name: Column(name, table[name], origins) for name in table.column_names}


def _whole(column: Column) -> IntArray:
    """A column of text as int64, (n,). Raises InputError for the first value that is no whole number."""
    found = numbers(column)
    column.refuse((found != np.floor(found)) | (np.abs(found) >= 2**53), _not_whole)
    return found.astype(np.int64)


def _not_whole(value: str) -> tuple[str, str]:
    return f"'{value}', a whole number is needed", "get the official files again"


def _year(title: pd.Series) -> pd.Series:
    """The year in brackets that ends a title."""
    return title.str.extract(r"\((\d{4})\)\s*$")[0].astype("float64")


def _raw(file: TextFile, items: pd.DataFrame, users: pd.DataFrame | None, clock: Clock = "time") -> Raw:
    columns = _columns(file)
    user, item, value, timestamp = columns.values()
    interactions = pd.DataFrame(
        {
            "user": _whole(user),
            "item": _whole(item),
            "value": numbers(value),
            "timestamp": times(timestamp) if clock == "time" else _whole(timestamp),
        },
        copy=False,
    )
    return Raw(interactions, items, users, clock=clock, place=file.name, origins={"interactions": user.origins})
