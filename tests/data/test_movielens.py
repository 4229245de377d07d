"""The MovieLens formats: small files of each, and the real sets where they are."""

import io
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recsys.data import movielens_files
from recsys.data.config import MovieLensData
from recsys.data.dataset import Dataset
from recsys.data.features import one_hot, titles
from recsys.data.load import inputs, load
from recsys.errors import InputError, RunError
from recsys.settings import Settings

GENRES = "unknown|0\nAction|1\nAdventure|2\n\n"
SMALL = {
    "movielens-100k": {
        "u.data": "196\t242\t3\t881250949\n186\t302\t3\t891717742\n196\t302\t1\t881250950\n",
        "u.item": "242|Kol\xeda (1996)|24-Jan-1997||http://x|0|1|1\n302|L.A. Confidential|01-Jan-1997||http://x|0|0|1\n"
        "267|unknown||||1|0|0\n",
        "u.user": "186|39|F|executive|00000\n196|49|M|writer|55105\n",
        "u.genre": GENRES,
    },
    "movielens-1m": {
        "ratings.dat": "196::242::3::881250949\n186::302::3::891717742\n196::302::1::881250950\n",
        "movies.dat": "242::Kol\xeda (1996)::Comedy\n"
        '302::"L.A." Confidential (1997)::Crime|Thriller\n9::X (1990)::Comedy\n',
        "users.dat": "186::F::1::10::48067\n196::M::56::0::70072\n",
    },
    "movielens-25m": {
        "ratings.csv": "userId,movieId,rating,timestamp\r\n196,242,3.0,881250949\r\n186,302,3.5,891717742\r\n"
        "196,302,1.0,881250950\r\n",
        "movies.csv": 'movieId,title,genres\r\n242,"Kolya, the (1996)",Comedy\r\n302,L.A. Confidential (1997),'
        "(no genres listed)\r\n9,Kolja \xe9 (1990) ,Comedy|War\r\n",
    },
}


def content(name: str) -> dict[str, bytes]:
    return {file: text.encode("utf-8" if file.endswith(".csv") else "latin-1") for file, text in SMALL[name].items()}


def folder_of(name: str, root: Path) -> Path:
    folder = root / movielens_files.FACTS[name].folder
    folder.mkdir(parents=True)
    for file, data in content(name).items():
        (folder / file).write_bytes(data)
    return folder


def archive_of(name: str, root: Path) -> Path:
    top = movielens_files.FACTS[name].folder
    path = root / f"{top}.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../evil.txt", "x")
        archive.writestr(f"{top}/backup/u.data", "never read")
        for file, data in content(name).items():
            archive.writestr(f"{top}/{file}", data)
    return path


@pytest.fixture
def three_ratings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, facts in movielens_files.FACTS.items():
        monkeypatch.setitem(movielens_files.FACTS, name, replace(facts, ratings=3))


@pytest.fixture
def no_data_dir(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RECSYS_DATA_DIR", raising=False)


def opened(name: str, settings: Settings, path: Path | None = None) -> Dataset:
    return load(MovieLensData(source=name, path=path and str(path)), None, settings)


@pytest.mark.usefixtures("three_ratings", "no_data_dir")
class TestSmall:
    @pytest.mark.parametrize("name", SMALL)
    @pytest.mark.parametrize(
        "place", ["folder", "above", "archive", "archive above", "data_dir", "data_dir archive", "cache"]
    )
    def test_read_from_anywhere(self, name: str, place: str, tmp_path: Path) -> None:
        settings, path = Settings(home=tmp_path / "home"), None
        if place in ("folder", "above", "data_dir"):
            path = folder_of(name, tmp_path)
        elif place == "cache":
            (settings.cache / "movielens").mkdir(parents=True)
            archive_of(name, settings.cache / "movielens")
        else:
            path = archive_of(name, tmp_path)
        if "above" in place:
            path = tmp_path
        if "data_dir" in place:
            settings, path = Settings(home=tmp_path / "home", data_dir=tmp_path), None
        data = opened(name, settings, path)
        assert data.users.ids[data.user].tolist() == [196, 186, 196]
        assert data.items.ids[data.item].tolist() == [242, 302, 302]
        assert len(data.items) == 3
        assert data.timestamp is not None
        assert data.timestamp[0] == 881250949_000_000
        assert data.clock == "time"
        assert [
            len(digest)
            for digest in inputs(MovieLensData(source=name, path=path and str(path)), None, settings).values()
        ]
        assert not (tmp_path.parent / "evil.txt").exists()

    def test_100k_items_and_users(self, tmp_path: Path) -> None:
        data = opened("movielens-100k", Settings(), folder_of("movielens-100k", tmp_path))
        assert titles(data.items).tolist() == ["Kol\xeda (1996)", "unknown", "L.A. Confidential"]
        np.testing.assert_array_equal(data.items.features["year"], [1996, np.nan, 1997])
        assert data.items.features["genres"].tolist() == ["Action|Adventure", "unknown", "Adventure"]
        assert data.users.features.iloc[0].to_dict() == {
            "age": 39.0,
            "gender": "F",
            "occupation": "executive",
            "zip": "00000",
        }

    def test_1m_codes_have_their_meaning(self, tmp_path: Path) -> None:
        data = opened("movielens-1m", Settings(), folder_of("movielens-1m", tmp_path))
        assert data.users.features["age"].tolist() == ["under 18", "56+"]
        assert data.users.features["occupation"].tolist() == ["K-12 student", "other"]
        assert titles(data.items).tolist() == ["X (1990)", "Kol\xeda (1996)", '"L.A." Confidential (1997)']
        assert data.items.features["genres"].tolist() == ["Comedy", "Comedy", "Crime|Thriller"]

    def test_1m_with_each_users_order_in_place_of_times(self, tmp_path: Path) -> None:
        folder = folder_of("movielens-1m", tmp_path)
        (folder / "ratings.dat").rename(folder / "ratings-seq.dat")
        data = opened("movielens-1m", Settings(), folder)
        assert data.clock == "order"
        assert data.timestamp is not None
        assert data.timestamp[0] == 881250949

    def test_csv_sets(self, tmp_path: Path) -> None:
        data = opened("movielens-25m", Settings(), folder_of("movielens-25m", tmp_path))
        assert data.items.features["year"].tolist() == [1990, 1996, 1997]
        assert data.items.features["genres"].tolist() == ["Comedy|War", "Comedy", np.nan]
        assert data.value is not None
        assert data.value.tolist() == [3.0, 3.5, 1.0]

    def test_keys_follow_the_content_and_not_the_place(self, tmp_path: Path) -> None:
        one, other = (folder_of("movielens-1m", tmp_path / name) for name in ("one", "other"))
        digests = [
            inputs(MovieLensData(source="movielens-1m", path=str(folder)), None, Settings()) for folder in (one, other)
        ]
        assert digests[0] == digests[1]
        assert sorted(digests[0]) == ["movies.dat", "ratings.dat", "users.dat"]
        (one / "movies.dat").write_bytes(b"1::X::Y\n")
        assert inputs(MovieLensData(source="movielens-1m", path=str(one)), None, Settings()) != digests[0]


@pytest.mark.usefixtures("no_data_dir")
class TestRefused:
    def message(self, name: str, path: Path) -> str:
        with pytest.raises(InputError) as caught:
            opened(name, Settings(), path)
        return str(caught.value)

    def test_nothing_at_the_path(self, tmp_path: Path) -> None:
        assert self.message("movielens-100k", tmp_path / "x") == (
            f"data.path: there is no {tmp_path}/x; it is the folder ml-100k or the archive ml-100k.zip"
        )

    def test_a_file_is_missing(self, tmp_path: Path) -> None:
        folder = folder_of("movielens-100k", tmp_path)
        (folder / "u.item").unlink()
        (folder / "u.user").unlink()
        assert self.message("movielens-100k", folder) == (
            f"{folder}: there is no u.item and no u.user in it; get the official files again"
        )

    def test_not_all_ratings(self, tmp_path: Path) -> None:
        folder = folder_of("movielens-100k", tmp_path)
        assert self.message("movielens-100k", folder) == (
            f"{folder}/u.data: 3 ratings, the published movielens-100k has 100,000; "
            "get the official files again, or read changed ones with source: table"
        )

    def test_damaged_ratings(self, tmp_path: Path) -> None:
        folder = folder_of("movielens-100k", tmp_path)
        with (folder / "u.data").open("a") as file:
            file.write("196\t5\n")
        assert self.message("movielens-100k", folder).startswith(
            f"{folder}/u.data, row 4: 2 fields, the header names 4 columns"
        )
        (folder / "u.data").write_text("196\t5\tgreat\t7\n")
        assert self.message("movielens-100k", folder) == (
            f"{folder}/u.data, row 1: value is 'great', a number is needed; mend that row"
        )
        (folder / "u.data").write_text("196\t5\t4\t7\n1.5\t5\t4\t\n")
        assert self.message("movielens-100k", folder) == (
            f"{folder}/u.data, row 2: user is '1.5', a whole number is needed; get the official files again"
        )

    def test_a_damaged_archive(self, tmp_path: Path) -> None:
        path = archive_of("movielens-25m", tmp_path)
        whole = path.read_bytes()
        path.write_bytes(whole[:-30])
        assert self.message("movielens-25m", path).startswith(f"{path}: the archive is damaged or no zip file (")
        at = whole.index(b"196,242")
        path.write_bytes(whole[:at] + b"197" + whole[at + 3 :])
        assert "Bad CRC-32" in self.message("movielens-25m", path)

    def test_no_network(self, tmp_path: Path) -> None:
        settings = Settings(home=tmp_path, movielens_url="http://127.0.0.1:1")
        for ask in (load, inputs):
            with pytest.raises(RunError, match=r"^http://127\.0\.0\.1:1/ml-32m\.zip: cannot be downloaded"):
                ask(MovieLensData(source="movielens-32m"), None, settings)


@pytest.fixture(scope="module")
def real() -> Settings:
    return Settings()


@pytest.mark.data
class TestReal:
    @pytest.mark.parametrize(
        ("name", "rows", "users", "rated", "listed", "mean", "n_genres"),
        [
            ("movielens-100k", 100_000, 943, 1_682, 1_682, 3.52986, 19),
            ("movielens-1m", 1_000_209, 6_040, 3_706, 3_883, 3.58156, 18),
            ("movielens-latest-small", 100_836, 610, 9_724, 9_742, 3.50156, 19),
        ],
    )
    def test_published_facts(
        self, real: Settings, name: str, rows: int, users: int, rated: int, listed: int, mean: float, n_genres: int
    ) -> None:
        data = opened(name, real)
        assert (len(data), len(data.users), len(data.items)) == (rows, users, listed)
        assert len(np.unique(data.user)) == users
        assert len(np.unique(data.item)) == rated
        assert data.value is not None
        assert data.value.mean(dtype=float) == pytest.approx(mean, abs=5e-6)
        assert data.items.kinds == {"title": "text", "year": "number", "genres": "labels"}
        names = one_hot(data.items)[1]
        assert sum(name.startswith("genres=") for name in names) == n_genres
        assert data.account["kept"] == rows

    def test_100k_user_196_and_film_267(self, real: Settings) -> None:
        data = opened("movielens-100k", real)
        user, film = data.users.parse("196"), data.items.parse("267")
        assert data.users.features.iloc[user].to_dict() == {
            "age": 49.0,
            "gender": "M",
            "occupation": "writer",
            "zip": "55105",
        }
        assert titles(data.items)[film] == "unknown"
        assert data.items.features["genres"][film] == "unknown"
        assert np.isnan(data.items.features["year"][film])
        assert (data.user[0], data.item[0]) == (user, data.items.parse("242"))
        assert titles(data.items)[data.items.parse("543")] == "Misérables, Les (1995)"
        assert data.users.kinds == {"age": "number", "gender": "category", "occupation": "category", "zip": "text"}

    def test_archive_and_folder_are_one(self, real: Settings, tmp_path: Path) -> None:
        assert real.data_dir is not None
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in ("u.data", "u.item", "u.user", "u.genre"):
                archive.write(real.data_dir / "ml-100k" / name, f"ml-100k/{name}")
        (tmp_path / "mine.zip").write_bytes(buffer.getvalue())
        one, other = opened("movielens-100k", real), opened("movielens-100k", real, tmp_path / "mine.zip")
        np.testing.assert_array_equal(one.item, other.item)
        assert one.items.features.equals(other.items.features)
