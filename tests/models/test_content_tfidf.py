from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import worlds
from behaviour import RecommenderBehaviour
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics.pairwise import cosine_similarity
from worlds import checkerboard, fitted, interactions, of_histories, taste_world, told, with_strangers

from recsys.data.dataset import Entities
from recsys.errors import InputError
from recsys.models.content_tfidf import ContentTfidf
from recsys.models.registry import open_model
from recsys.retrieval.lists import recommend

PLAIN = worlds.entities


def described(train, **columns):
    """The same rows, items with these columns of text."""
    kinds = {name: "number" if isinstance(values[0], float) else "text" for name, values in columns.items()}
    return replace(train, items=Entities(train.items.ids, pd.DataFrame(columns), kinds))


class TestContentTfidf(RecommenderBehaviour):
    model = ContentTfidf.Config()
    fold_in_overlap = 1.0
    gain = 1.7

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def texts(cls):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(worlds, "entities", lambda n, start=10: told(PLAIN(n, start)))
            for made in (checkerboard, taste_world):
                made.cache_clear()
            yield
        for made in (checkerboard, taste_world):
            made.cache_clear()

    def test_unknown_item(self):
        # Nobody has item 7, of which the text is that of item 1: who has item 1 gets it first.
        train = of_histories([[1], [0, 4], [2, 4], [5, 6, 3]], n_items=8)
        items, _ = recommend(fitted(self.model, train), train, np.arange(4), 5)
        assert items[0, 0] == 7


WORDS = ["robot in space", "robot and love", "love love kiss", "kiss", "the of and", None]


@pytest.fixture
def train():
    return described(of_histories([[0, 1], [2], [4], [0, 5]], n_items=6), text=WORDS)


def test_against_scikit_learn(train):
    vectors = TfidfVectorizer(stop_words="english").fit_transform([text or "" for text in WORDS]).toarray()
    scores = fitted(ContentTfidf.Config(), train).scores(train.batch(np.arange(4)))
    for user, history in enumerate([[0, 1], [2]]):
        expected = cosine_similarity(vectors[history].mean(axis=0)[None], vectors)[0]
        np.testing.assert_allclose(scores[user], expected, atol=1e-6)
    assert scores[1, 2] == pytest.approx(1)


def test_by_hand():
    # Both words are in two of three texts and weigh the same: the cosine of "a b" and "a" is 1 / sqrt 2.
    train = described(of_histories([[0]], n_items=3), text=["red blue", "red", "blue"])
    scores = fitted(ContentTfidf.Config(), train).scores(train.batch(np.array([0])))
    np.testing.assert_allclose(scores[0], [1, 0.5**0.5, 0.5**0.5], rtol=1e-6)


def test_a_history_without_words_gets_popularity(train):
    scores = fitted(ContentTfidf.Config(), train).scores(train.batch(np.array([2])))
    assert np.array_equal(scores[0], train.popularity)


def test_stop_words_and_most_terms(train):
    assert words_of(fitted(ContentTfidf.Config(), train)) == ["kiss", "love", "robot", "space"]
    assert words_of(fitted(ContentTfidf.Config(max_terms=2), train)) == ["love", "kiss"][::-1]
    assert "the" in words_of(fitted(ContentTfidf.Config(stop_words=None), train))


def words_of(model):
    return bytes(model.words).decode().split("\n")


def test_columns_that_are_named():
    train = of_histories([[0], [1]], n_items=3)
    train = described(train, title=["Heat", "Dune", "Dune"], plot=["sea", "sea", "land"], year=[1.0, 2.0, 3.0])
    ranked = {}
    for texts in ("all", ["title"], ["plot"]):
        model = fitted(ContentTfidf.Config(texts=texts), train)
        ranked[str(texts)] = model.scores(train.batch(np.array([1])))[0].round(3).tolist()
    assert ranked["['title']"] == [0, 1, 1]
    assert ranked["['plot']"] == [1, 1, 0]
    assert 0 < ranked["all"][0] < 1


def test_labels_are_text_where_they_are_named():
    items = Entities(np.arange(3), pd.DataFrame({"genres": ["War|Drama", "Drama", np.nan]}), {"genres": "labels"})
    train = replace(of_histories([[0], [2]], n_items=3), items=items)
    assert words_of(fitted(ContentTfidf.Config(texts=["genres"]), train)) == ["drama", "war"]
    with pytest.raises(InputError, match=r"needs texts of items, and these data have none \(known of items: genres\)"):
        fitted(ContentTfidf.Config(), train)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["plot"], "the column 'plot' of items is not there"),
        (["year"], "the column 'year' of items holds numbers"),
    ],
)
def test_a_column_that_cannot_be_read(texts, message):
    train = described(of_histories([[0], [1]]), title=["Heat", "Dune"], year=[1.0, 2.0])
    with pytest.raises(InputError, match=message) as caught:
        fitted(ContentTfidf.Config(texts=texts), train)
    assert caught.value.remedy == "columns with words: title"


def test_texts_without_words():
    train = described(of_histories([[0], [1]]), title=["the", "and"])
    with pytest.raises(InputError, match="the texts of items hold no words"):
        fitted(ContentTfidf.Config(), train)


def test_explanations_add_up(train):
    model = fitted(ContentTfidf.Config(), train)
    batch, items = train.batch(np.array([0])), np.array([2, 1, 3])
    found = model.explain(batch, items)
    scores = model.scores(batch)[0, items]
    assert found.additive
    assert found.history.tolist() == [0, 1]
    np.testing.assert_allclose(found.parts.sum(axis=1), scores, atol=1e-6)
    np.testing.assert_allclose([sum(terms.values()) for terms in found.terms], scores, atol=1e-6)
    assert [list(terms) for terms in found.terms] == [["love"], ["robot", "love"], []]
    assert found.parts[0, 0] == 0  # "robot in space" says nothing for "love love kiss"


def test_words_survive_the_store(train, tmp_path):
    model = fitted(ContentTfidf.Config(texts=["text"]), train)
    model.save(tmp_path)
    strangers = with_strangers(train, [[1]]).batch(np.array([0]), known=False)
    assert open_model(tmp_path).explain(strangers, np.array([2])).terms == model.explain(strangers, np.array([2])).terms


def test_weights_count():
    train = interactions([0, 0], [0, 1], weight=[3, 1], n_items=3)
    train = described(train, text=["red", "blue", "red"])
    scores = fitted(ContentTfidf.Config(), train).scores(train.batch(np.array([0])))[0]
    assert scores[2] > 2 * scores[1] > 0
