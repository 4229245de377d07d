"""Decision records: canonical JSON there and back, what is refused, and what is read from a pile of them."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta, timezone

import pytest
from made.decisions import NIGHT, OPENING, poisoned, record, year
from pydantic import ValidationError

from recsys.champion.drift import DAY, Drift
from recsys.champion.gate import Guard
from recsys.champion.record import (
    Bounded,
    Contender,
    DecisionRecord,
    accepted_until,
    logbook,
    microseconds_of,
    moment,
    numbers,
    usual_step,
)
from recsys.champion.sides import pair
from recsys.comparison.bootstrap import Interval
from recsys.errors import InputError


def newest(night: int) -> int:
    """Time of the newest row that the record of a night has looked at."""
    return microseconds_of(record(night).newest)


class TestJson:
    @pytest.mark.parametrize("made", [record(), poisoned(3), *year(40)[28:40]])
    def test_there_and_back(self, made):
        text = made.to_json()
        assert DecisionRecord.from_json(text) == made
        assert DecisionRecord.from_json(text).to_json() == text
        assert DecisionRecord.from_json(text).digest == made.digest

    def test_is_canonical(self):
        text = record().to_json()
        document = json.loads(text)
        assert list(document) == sorted(document)
        assert text == json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert document["format"] == 1

    def test_the_same_moment_elsewhere_is_the_same_record(self):
        there = OPENING.astimezone(timezone(timedelta(hours=5, minutes=30)))
        assert record(time=there).to_json() == record().to_json()
        assert record(time=there).digest == record().digest

    def test_another_reason_is_another_record(self):
        assert record(reasons=("other",)).digest != record().digest

    def test_keeps_letters_and_microseconds(self):
        time = OPENING + timedelta(microseconds=1)
        made = record(person="Zoë", decided_by="person", time=time)
        assert '"Zoë"' in made.to_json()
        assert DecisionRecord.from_json(made.to_json()).time == time

    def test_refuses_another_format(self):
        document = json.loads(record().to_json()) | {"format": 2, "news": "of tomorrow"}
        with pytest.raises(InputError) as info:
            DecisionRecord.from_json(json.dumps(document), "night.json")
        newer = "it was made by a newer version of this project: upgrade this one"
        said = f"night.json: describes format 2, and 1 is known; {newer}"
        assert (str(info.value), info.value.exit_status) == (said, 2)

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"verdict": "perhaps"}, "night.json: verdict: "),
            ({"gain": {"value": "much"}}, "night.json: gain.value: is 'much'; a number is needed"),
            ({"colour": "blue"}, "night.json: colour: "),
            ({"time": "2024-03-01T03:00:00"}, "night.json: time: "),
        ],
    )
    def test_names_the_field_that_is_wrong(self, changes, said):
        document = json.loads(record().to_json()) | changes
        with pytest.raises(InputError) as info:
            DecisionRecord.from_json(json.dumps(document), "night.json")
        assert str(info.value).startswith(said)

    def test_refuses_a_key_that_stands_twice(self):
        with pytest.raises(InputError, match=r"^night\.json: the key 'format' stands twice; put it back as it was"):
            DecisionRecord.from_json('{"format": 99, ' + record().to_json()[1:], "night.json")

    @pytest.mark.parametrize("text", ["", "{", "not json", "\x00", "[" * 100_000, '{"a":' * 100_000])
    def test_refuses_what_is_no_json(self, text):
        with pytest.raises(InputError, match=r"night\.json: is no JSON"):
            DecisionRecord.from_json(text, "night.json")

    @pytest.mark.parametrize("text", ["[]", "null", "3", '"record"', "{}"])
    def test_refuses_json_of_something_else(self, text):
        with pytest.raises(InputError, match=r"^night\.json: "):
            DecisionRecord.from_json(text, "night.json")

    def test_refuses_infinite_numbers_both_ways(self):
        text = record().to_json().replace('"value":0.41}', '"value":NaN}')
        assert "NaN" in text
        with pytest.raises(InputError, match="finite"):
            DecisionRecord.from_json(text)
        with pytest.raises(ValidationError):
            Guard(name="coverage", value=math.inf, text="")

    def test_times_need_a_zone(self):
        with pytest.raises(ValidationError):
            record(time=datetime(2024, 3, 1))


class TestTimes:
    @pytest.mark.parametrize("time", [0, 1, -1, 874_724_710_000_001, 253_402_300_799_999_999])
    def test_there_and_back(self, time):
        assert microseconds_of(moment(time)) == time
        assert moment(time).tzinfo is UTC


class TestNumbers:
    def test_of_a_pairing(self, side):
        found = pair(side([0.5] * 40), side([0.25] * 40))
        made = record(**numbers(found))
        assert (made.primary, made.gain) == ("ndcg@10", Bounded(value=0.25, low=0.25, high=0.25))
        assert (made.challenger_value.value, made.champion_value.value) == (0.5, 0.25)

    def test_too_few_users_for_bounds(self, side):
        made = record(**numbers(pair(side([0.5] * 3), side([0.25] * 3))))
        assert made.gain == Bounded(value=0.25, low=None, high=None)

    def test_nobody(self, side):
        assert numbers(pair(side([]), side([])))["gain"] is None
        assert Bounded.of(Interval(math.nan, math.nan, math.nan)) is None


class TestAcceptedUntil:
    def test_nothing_was_decided(self):
        assert accepted_until([]) is None

    @pytest.mark.parametrize("verdict", ["promoted", "kept", "waiting", "rejected"])
    def test_whatever_came_of_it_the_rows_were_good(self, verdict):
        assert accepted_until([record(3, verdict)]) == newest(3)

    def test_the_newest_of_all_in_any_order(self):
        assert accepted_until([record(2), record(5), record(1)]) == newest(5)

    @pytest.mark.parametrize("verdict", ["skipped", "rolled back"])
    def test_where_no_rows_were_judged(self, verdict):
        assert accepted_until([record(2), record(5, verdict)]) == newest(2)

    def test_poisoned_rows_stay_new(self):
        assert accepted_until([record(2), poisoned(3), poisoned(4)]) == newest(2)
        assert accepted_until([poisoned(3)]) is None

    def test_until_a_person_promotes(self):
        by_hand = poisoned(4).model_copy(update={"verdict": "promoted", "decided_by": "person", "person": "ines"})
        assert accepted_until([record(2), poisoned(3), by_hand]) == newest(4)

    def test_or_they_are_mended(self):
        assert accepted_until([record(2), poisoned(3), record(4)]) == newest(4)

    def test_other_guards_say_nothing_of_the_rows(self):
        fell = Guard(name="coverage", value=0.1, reference=0.5, limit=0.1, fell=True, text="fell")
        assert accepted_until([record(2), record(3, "rejected", guards=(fell,))]) == newest(3)

    def test_rows_too_few_to_judge_stay_new(self):
        handful = Drift(rows=12, periods=1, earlier=60, note="fewer than 50 new rows: only their number was judged")
        assert accepted_until([record(2), record(3, drift=handful)]) == newest(2)
        assert accepted_until([record(2), record(3, drift=handful), record(4)]) == newest(4)

    def test_nights_with_too_few_users_to_judge_anything(self):
        assert accepted_until([record(2), record(3, "waiting", drift=None, guards=())]) == newest(2)

    def test_what_a_person_promotes_is_vouched_for(self):
        by_hand = record(3, "promoted", drift=None, guards=(), decided_by="person", person="ines")
        assert accepted_until([record(2), by_hand]) == newest(3)

    def test_records_without_rows(self):
        assert accepted_until([record(2), record(4, newest=None)]) == newest(2)


class TestUsualStep:
    def test_is_a_day_before_anything_is_known(self):
        assert usual_step([]) == usual_step([record(1)]) == DAY
        assert usual_step([], otherwise=7) == 7

    def test_is_the_median(self):
        assert usual_step([record(night) for night in (0, 1, 2, 9, 10)]) == DAY
        assert usual_step([record(night) for night in (0, 7, 14)]) == 7 * DAY

    def test_the_same_rows_twice_are_no_step(self):
        assert usual_step([record(0), record(0, "skipped"), record(2)]) == 2 * DAY

    def test_decisions_without_rows(self):
        assert usual_step([record(0), record(1, newest=None), record(2)]) == 2 * DAY


class TestLogbook:
    def test_a_line_a_decision_and_its_reasons(self):
        told = logbook([record(1, "promoted", version=2, reasons=("better", "by much")), record(0, serving=1)])
        assert told == [
            "2024-03-01 03:00 UTC  kept         ease; version 1 goes on serving; data up to 2024-03-01 02:58; "
            "500 new rows; by schedule",
            f"    {record().reasons[0]}",
            "2024-03-02 03:00 UTC  promoted     ease; version 2; data up to 2024-03-02 02:58; 500 new rows; "
            "by schedule",
            "    better",
            "    by much",
        ]

    def test_a_rollback_by_a_person(self):
        nothing = dict.fromkeys(("kind", "challenger", "newest", "new_rows"))
        back = record(2, "rolled back", **nothing, version=1, decided_by="person", person="ines", reasons=("sequels",))
        assert logbook([back]) == ["2024-03-03 03:00 UTC  rolled back  version 1; by ines", "    sequels"]

    def test_a_person_without_a_name(self):
        assert logbook([record(decided_by="person")])[0].endswith("; by person")

    def test_nothing(self):
        assert logbook([]) == []


def test_fallen():
    assert record().fallen == ()
    assert [guard.name for guard in poisoned(1).fallen] == ["drift"]


def test_a_stand_in_says_why():
    made = record(champion=Contender(label="ease", settings={}, version=1, stand_in="has seen the window"))
    assert DecisionRecord.from_json(made.to_json()).champion.stand_in == "has seen the window"


def test_nights_are_a_day_apart():
    assert record(1).time - record(0).time == NIGHT
