"""The alarm of a run: refusals of one kind, or by one domain, that are too many to be about single members."""

from collections import Counter

from delivery.verdicts import OUR_FAULT, About, Verdict

WATCHED: tuple[About, ...] = (*OUR_FAULT, "address")


class Alarm:
    """`least` refusals, and more than a `share` of what was tried, ring it; a share of 1 or more never does."""

    def __init__(self, least: int, share: float, domain_share: float) -> None:
        self._least = least
        self._share = share
        self._domain_share = domain_share
        self._tried: Counter[tuple[str, str]] = Counter()
        self._refused: Counter[tuple[str, str, str]] = Counter()

    def note(self, route: str, destination: str, verdict: Verdict | None) -> tuple[str, str]:
        """Count one attempt; returns why the route must be paused, and why the route to this destination must, or nothing."""
        self._tried[route, ""] += 1
        self._tried[route, destination] += 1
        if verdict is None or not (verdict.fail or verdict.about in OUR_FAULT):
            return "", ""
        self._refused[route, destination, ""] += 1
        if verdict.about not in WATCHED:
            return "", self._rings(route, destination, "", self._domain_share)
        self._refused[route, "", verdict.about] += 1
        of_kind = self._rings(route, "", verdict.about, self._share)
        return of_kind, self._rings(route, destination, "", self._domain_share)

    def _rings(self, route: str, destination: str, about: str, share: float) -> str:
        refused, tried = self._refused[route, destination, about], self._tried[route, destination]
        if not is_too_many(refused, tried, self._least, share):
            return ""
        what = f"for reasons of {about}" if about else f"by {destination}"
        return f"{refused} of {tried} messages were refused {what}"


def is_too_many(refused: int, tried: int, least: int, share: float) -> bool:
    """`least` refusals, and more than a `share` of what was tried."""
    return refused >= least and refused > share * tried
