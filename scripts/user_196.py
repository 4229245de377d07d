"""Fills docs/walk.md, the page that walks user 196 of MovieLens-100K through all models, with what they really say.

    RECSYS_DATA_DIR=/data python scripts/user_196.py             print the parts that are made
    RECSYS_DATA_DIR=/data python scripts/user_196.py --write     put them into docs/walk.md

Runs the two commands that the page names, on examples/walk.yaml; what is finished comes from the store. The sentences
about the models are the page's own: each part stands between <!-- NAME --> and <!-- /NAME -->.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from recsys.data.dataset import Dataset
from recsys.data.features import TITLE, titles
from recsys.data.load import load
from recsys.experiment.spec import Experiment
from recsys.settings import Settings
from recsys.splits.splitting import split

ROOT = Path(__file__).resolve().parents[1]
PAGE, SPEC = ROOT / "docs" / "walk.md", ROOT / "examples" / "walk.yaml"
USER, K, LONGER = 196, 5, 50
# Reasons shown for the first item, and films at the end.
REASONS, FAVOURITES = 3, 5
Line = Mapping[str, Any]


def parts_of(
    found: Mapping[str, Any], hits: Mapping[str, int], scores: Mapping[str, float], held_out: set[int]
) -> dict[str, str]:
    """The made parts of the page by name, each model's own and `agreement`.

    found: what `recsys recommend --explain --json` answers. hits, scores: by model, held out items among the user's
    first LONGER, and NDCG@10 over all users. held_out: the items of the user's test part.
    """
    lists: dict[str, list[Line]] = {}
    for line in found["recommendations"]:
        lists.setdefault(line["model"], []).append(line)
    parts = {model: list_of(lines, held_out, hits[model], scores[model]) for model, lines in lists.items()}
    return parts | {"agreement": agreement(lists, found["overlap"])}


def list_of(lines: Sequence[Line], held_out: set[int], hits: int, score: float) -> str:
    """The list of a model, its hits in bold, why the first stands there, and how good the model is for everybody."""
    named = [f"**{line[TITLE]}**" if line["item"] in held_out else str(line[TITLE]) for line in lines]
    listed = "\n".join(f"{rank}. {name}" for rank, name in enumerate(named, start=1))
    first = sum(line["item"] in held_out for line in lines)
    about = f"Held out films: {first} here, {hits} among its first {LONGER}; NDCG@10 of all users {score:.3f}."
    return f"{listed}\n\n{wrapped(because(lines[0]['why']))}\n{about.replace(' 0.', ' .')}"


def because(why: Mapping[str, Any] | None) -> str:
    """Why the first item stands there, in a sentence."""
    if why is None:
        return "It gives no reasons."
    first = [str(part[TITLE]) for part in why["history"][:REASONS]]
    said = [f"'{word}'" for word in list(why["terms"])[:REASONS]]
    what = "The first is there mostly for" if why["additive"] else "Nearest to the first in the history:"
    words = f", by the words {', '.join(said)}" if said else ""
    return f"{what} {'; '.join(first)}{words}."


def agreement(lists: Mapping[str, Sequence[Line]], pairs: Sequence[Line]) -> str:
    """How many of the first items each two models share, and the films that most models name."""
    shared = {(pair["model"], pair["other"]): pair[f"overlap@{K}"] for pair in pairs}
    rows = [["", "", *(str(number) for number in range(1, len(lists) + 1))]]
    rows.append(["---"] * len(rows[0]))
    for number, one in enumerate(lists, start=1):
        cells = [str(shared.get((one, other), shared.get((other, one), ""))) for other in lists]
        rows.append([str(number), f"`{one}`", *cells])
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in rows)
    named = Counter(str(line[TITLE]) for lines in lists.values() for line in lines)
    most = [f"{title} ({count})" for title, count in named.most_common(FAVOURITES)]
    said = wrapped(f"Named by most of the {len(lists)} models: {'; '.join(most)}.")
    return f"{table}\n\n{said}"


def user_part(data: Dataset, train: set[int], held_out: set[int], values: Mapping[int, float]) -> str:
    """Who the user is, what was taken and what is held out; by title, the best rated first."""
    name = dict(zip(data.items.ids.tolist(), titles(data.items), strict=True))
    best = sorted(train, key=lambda item: (-values[item], item))[:K]
    return wrapped(
        f"Models have read {len(train)} ratings of user {USER}. The first of those rated best: "
        f"{'; '.join(name[item] for item in best)}. {len(held_out)} are held out, to be found again: "
        f"{'; '.join(name[item] for item in sorted(held_out))}."
    )


def wrapped(text: str) -> str:
    """The text in lines as wide as the page's."""
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)


def filled(page: str, parts: Mapping[str, str]) -> str:
    """The page with each part between its markers. Raises ValueError where one has no place."""
    for name, part in parts.items():
        begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        pattern = rf"{re.escape(begin)}\n.*?{re.escape(end)}"
        page, count = re.subn(pattern, lambda _, new=f"{begin}\n{part}\n{end}": new, page, flags=re.S)
        if count != 1:
            raise ValueError(f"docs/walk.md: {count} places between {begin} and {end}, one is needed")
    return page


def answer_of(*arguments: str) -> dict[str, Any]:
    """What a `recsys` command answers to programs; its log goes to standard error."""
    command = [str(Path(sys.executable).with_name("recsys")), *arguments, "--json"]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=ROOT).stdout)


def made() -> dict[str, str]:
    """All parts, from a real run."""
    compared = answer_of("compare", str(SPEC))
    found = answer_of("recommend", str(SPEC), "--user", str(USER), "-k", str(K), "--explain")
    spec = Experiment.load(SPEC)
    data = load(spec.data, None, Settings())
    test = split(data, spec.split)[0].test
    own = data.user == data.users.positions([USER])[0]
    items = data.items.ids[data.item]
    held_out = set(items[test][own[test]].tolist())
    values = dict(zip(items[own].tolist(), data.value[own].tolist(), strict=True))
    scores = {row["model"]: row["ndcg@10"] for row in compared["leaderboard"]}
    each = pd.read_parquet(Path(compared["out"]) / "per_user.parquet")
    precision = each[each["user"] == USER].set_index("model")[f"precision@{LONGER}"]
    parts = parts_of(found, (precision * LONGER).round().astype(int).to_dict(), scores, held_out)
    return {"user": user_part(data, set(values) - held_out, held_out, values), **parts}


def main() -> None:
    parser = argparse.ArgumentParser(description="User 196 through all models.")
    parser.add_argument("--write", action="store_true", help="put the parts into docs/walk.md")
    write = parser.parse_args().write
    parts = made()
    if write:
        PAGE.write_text(filled(PAGE.read_text(), parts))
    else:
        print("\n\n".join(f"{name}\n\n{part}" for name, part in parts.items()))


if __name__ == "__main__":
    main()
