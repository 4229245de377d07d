"""Numbers and names as a reader sees them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from recsys.metrics.registry import parse_column

MISSING = "–"
_ABBREVIATIONS = {"ndcg", "map", "mrr", "rmse", "mae", "auc"}


def number(value: float | None, digits: int = 4) -> str:
    """A value with a fixed number of decimals.

    >>> number(0.44), number(-0.00001), number(float("nan"))
    ('0.4400', '0.0000', '–')
    """
    if value is None or not math.isfinite(value):
        return MISSING
    text = f"{value:,.{digits}f}".replace("-", "−")
    return text.lstrip("−") if not any(digit in text for digit in "123456789") else text


def signed(value: float | None, digits: int = 4) -> str:
    """A difference, with its sign.

    >>> signed(0.02), signed(-0.02), signed(0.0)
    ('+0.0200', '−0.0200', '0.0000')
    """
    text = number(value, digits)
    positive = value is not None and value > 0 and any(digit in text for digit in "123456789")
    return f"+{text}" if positive else text


def interval(low: float, high: float, sign: bool = False) -> str:
    """Both bounds, or nothing where there are none.

    >>> interval(0.1, 0.25), interval(-0.1, 0.25, sign=True), interval(float("nan"), float("nan"))
    ('0.1000 to 0.2500', '−0.1000 to +0.2500', '')
    """
    if not (math.isfinite(low) and math.isfinite(high)):
        return ""
    shown = signed if sign else number
    return f"{shown(low)} to {shown(high)}"


def count(value: float) -> str:
    """A whole number with separators.

    >>> count(100000)
    '100,000'
    """
    return f"{round(value):,}"


def percent(share: float) -> str:
    """A share in percent, with three significant digits where it is small.

    >>> percent(0.0630467), percent(0.5), percent(0.00012), percent(0.0)
    ('6.3\xa0%', '50\xa0%', '0.012\xa0%', '0\xa0%')
    """
    value = 100 * share
    if value >= 10 or value == 0:
        return f"{value:.0f}\xa0%"
    return f"{float(f'{value:.2g}'):g}\xa0%"


def short(value: float) -> str:
    """A tick or a bin edge: as few characters as say it.

    >>> short(0.30000000000000004), short(20000), short(1e6), short(2.5), short(0.0001)
    ('0.3', '20k', '1M', '2.5', '0.0001')
    """
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size and (value / size * 10) % 1 == 0:
            return f"{value / size:g}{unit}".replace("-", "−")
    if abs(value) >= 10_000:
        return f"{value:,.0f}" if abs(value) < 1e6 else f"{value:.4g}"
    return f"{value:.10f}".rstrip("0").rstrip(".").replace("-", "−") or "0"


def listed(names: Sequence[str], most: int = 6) -> str:
    """Names as one reads them aloud.

    >>> listed(["a"]), listed(["a", "b", "c"]), listed(list("abcdefgh"), most=3)
    ('a', 'a, b and c', 'a, b, c and 5 more')
    """
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def plural(n: int, noun: str) -> str:
    """A number and its noun.

    >>> plural(1, "user"), plural(1200, "model")
    ('1 user', '1,200 models')
    """
    return f"{count(n)} {noun}" + ("" if n == 1 else "s")


def metric_name(name: str) -> str:
    """A metric as it is written in text.

    >>> metric_name("ndcg"), metric_name("hit_rate")
    ('NDCG', 'Hit rate')
    """
    return name.upper() if name in _ABBREVIATIONS else name.replace("_", " ").capitalize()


def column_name(column: str) -> str:
    """A column as it is written in text.

    >>> column_name("ndcg@10"), column_name("rmse")
    ('NDCG@10', 'RMSE')
    """
    metric, k = parse_column(column)
    return metric_name(metric.name) + (f"@{k}" if k else "")


def cut(text: str, length: int) -> str:
    """Text that fits, with an ellipsis in the middle where it was cut: names often differ at their ends.

    >>> cut("two-tower variant 9", 12), cut("ease", 12)
    ('two-tow…nt 9', 'ease')
    """
    tail = length // 3
    return text if len(text) <= length else f"{text[: length - tail - 1]}…{text[-tail:]}"
