"""The MovieLens sets in their official formats, from a folder or an archive.

Harper and Konstan, "The MovieLens Datasets: History and Context", ACM TiiS 5(4), 2015.
"""

from __future__ import annotations

import pandas as pd
import pyarrow as pa

from recsys.data.movielens_files import FACTS, Files
from recsys.data.raw import Clock, Origin, Raw
from recsys.data.text import TextFile, headless, open_text
from recsys.errors import InputError

MICRO = 1_000_000
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
    user = _frame(users, "user")
    user["age"] = user["age"].astype("float64")
    return _raw(ratings, items, user)


def _read_1m(files: Files) -> Raw:
    # A copy in circulation holds each user's own order in place of the time.
    ordered = not files.has("ratings.dat") and files.has("ratings-seq.dat")
    ratings = headless(
        *files.read("ratings-seq.dat" if ordered else "ratings.dat"), "::", ("user", "item", "value", "timestamp")
    )
    movies = headless(*files.read("movies.dat"), "::", ("item", "title", "genres"), "iso-8859-1")
    users = headless(*files.read("users.dat"), "::", ("user", "gender", "age", "occupation", "zip"))
    user = _frame(users, "user")
    user["age"] = user["age"].astype("int64").map(AGES_1M)
    user["occupation"] = user["occupation"].astype("int64").map(dict(enumerate(OCCUPATIONS_1M)))
    return _raw(ratings, _movies(movies, "item"), user, "order" if ordered else "time")


def _read_csv(files: Files) -> Raw:
    return _raw(open_text(*files.read("ratings.csv")), _movies(open_text(*files.read("movies.csv")), "movieId"), None)


def _movies(file: TextFile, id_column: str) -> pd.DataFrame:
    movie = _frame(file, id_column)
    genres = movie["genres"].where(movie["genres"] != NO_GENRES)
    return pd.DataFrame(
        {"item": movie[id_column], "title": movie["title"], "year": _year(movie["title"]), "genres": genres}
    )


def _frame(file: TextFile, id_column: str) -> pd.DataFrame:
    frame = file.read([name for name in file.header if name]).to_pandas()
    return frame.assign(**{id_column: frame[id_column].astype("int64")})


def _year(title: pd.Series) -> pd.Series:
    """The year in brackets that ends a title."""
    return title.str.extract(r"\((\d{4})\)\s*$")[0].astype("float64")


def _raw(file: TextFile, items: pd.DataFrame, users: pd.DataFrame | None, clock: Clock = "time") -> Raw:
    user, item, value, timestamp = file.header
    types = {user: pa.int64(), item: pa.int64(), value: pa.float64(), timestamp: pa.int64()}
    table = file.read(file.header, types)
    seconds = table[timestamp].to_numpy()
    interactions = pd.DataFrame(
        {
            "user": table[user].to_numpy(),
            "item": table[item].to_numpy(),
            "value": table[value].to_numpy(),
            "timestamp": seconds * MICRO if clock == "time" else seconds,
        },
        copy=False,
    )
    origins = {"interactions": (Origin(file.name, table.num_rows, file.line),)}
    return Raw(interactions, items, users, clock=clock, place=file.name, origins=origins)
