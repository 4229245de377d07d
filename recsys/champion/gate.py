"""The gate: whether a challenger may take the champion's place, by users that neither has trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from recsys.champion.sides import Pairing
from recsys.comparison.bootstrap import FEWEST_USERS
from recsys.config import Config
from recsys.experiment.retrain import Mode, Retrain

Kind = Literal["first", "change", "refresh"]
Verdict = Literal["promoted", "kept", "skipped", "rejected", "waiting", "rolled back"]


class Guard(Config):
    """Something that must not fall.

    value: the challenger's; reference: the champion's, None where a limit stands alone. limit: None where it is only
    reported. fell: whether it did. text: all of this in a sentence.
    """

    name: str
    value: float | None
    reference: float | None = None
    limit: float | None = None
    fell: bool = False
    text: str


class Decision(Config):
    """What the gate says. passed: whether the challenger may serve, which `verdict` follows unless the mode or a person
    says otherwise. reasons: the rule with its numbers, then what fell."""

    verdict: Verdict
    kind: Kind
    passed: bool
    reasons: tuple[str, ...]


def decide(kind: Kind, pairing: Pairing, guards: Sequence[Guard], retrain: Retrain) -> Decision:
    """Hold a challenger against the champion, or a first one against popularity.

    A change, or a first champion, passes if the lower bound of its gain exceeds the margin; a refresh if it is not
    below minus the tolerance. No guard may fall. Fewer than 30 users decide nothing: waiting.
    """
    fallen = tuple(guard.text for guard in guards if guard.fell)
    if not pairing.enough:
        few = f"{_users(pairing.users)} of the window can be compared, {FEWEST_USERS} are needed"
        return Decision(verdict="waiting", kind=kind, passed=False, reasons=(few, *fallen))
    gain = pairing.gain
    least = least_gain(kind, pairing.champion.value, retrain)
    better = passes(kind, gain.low, least)
    said = (
        f"{NAMES[kind]}: {pairing.column} {pairing.challenger.value:.4f} after {pairing.champion.value:.4f}, "
        f"gain {gain.value:+.4f}, 95 % interval {gain.low:+.4f} to {gain.high:+.4f} over {_users(pairing.users)}; "
        f"{_rule(kind, least, retrain)}"
    )
    if fallen:
        return Decision(verdict="rejected", kind=kind, passed=False, reasons=(said, *fallen))
    return Decision(verdict="promoted" if better else "kept", kind=kind, passed=better, reasons=(said,))


def least_gain(kind: Kind, champion: float, retrain: Retrain) -> float:
    """What the lower bound of the gain is held against; champion: its value of the primary metric."""
    return -retrain.tolerance * abs(champion) if kind == "refresh" else retrain.margin


def passes(kind: Kind, low: float, least: float) -> bool:
    """Whether a lower bound is good enough: better for a change, no worse for a refresh."""
    return low >= least if kind == "refresh" else low > least


def by_mode(decision: Decision, mode: Mode, approved: bool | None = None) -> Decision:
    """The decision under a mode: report never promotes, manual asks a person first (approved: what they said)."""
    if not decision.passed or mode == "enforce":
        return decision
    verdict, said = _MODES["report" if mode == "report" else approved]
    return decision.model_copy(update={"verdict": verdict, "reasons": (*decision.reasons, said)})


NAMES: dict[Kind, str] = {"first": "First champion, against popularity", "change": "Change", "refresh": "Refresh"}
_MODES: dict[str | bool | None, tuple[Verdict, str]] = {
    "report": ("kept", "it passed; mode report promotes nothing"),
    None: ("waiting", "it passed; mode manual waits for approval"),
    True: ("promoted", "approved by hand"),
    False: ("kept", "it passed, and approval was refused"),
}


def _rule(kind: Kind, least: float, retrain: Retrain) -> str:
    if kind == "refresh":
        return f"no worse than {least:+.4f} is asked for ({retrain.tolerance:g} of the champion's value)"
    return f"more than {least:+.4f} is asked for"


def _users(n: int) -> str:
    return f"{n:,} user" + ("" if n == 1 else "s")
