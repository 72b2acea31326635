"""Whether a member may get mail in an edition at all, before anything is matched."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

from profiles.member import Cadence, Status

NoMail = Literal["paused", "cadence", "quiet", "empty_profile", "pending", "bounced", "left", "erased"]

DAYS_BETWEEN: dict[Cadence, int] = {"weekly": 0, "fortnightly": 13, "monthly": 27}
"""Least days since the member's last digest: one less than two or four weeks, so that an edition an hour early does not
cost a whole period. Weekly needs no gap of its own, since there is one edition a week."""


PERIOD_DAYS: dict[Cadence, int] = {"weekly": 7, "fortnightly": 14, "monthly": 28}
"""Days from one digest to the next."""


@dataclass(frozen=True, slots=True)
class Quiet:
    """Binary exponential back-off for members who stay silent, as mail servers do it with hosts (RFC 5321 4.5.4.1): after each
    `after` digests without a sign of life the time between two doubles, up to `most_weeks`. 0 never backs off."""

    after: int = 0
    most_weeks: int = 8

    def weeks(self, unanswered: int) -> int:
        """Weeks from one digest to the next after so many without a sign of life."""
        doubled = unanswered // self.after if self.after else 0
        return min(int(2 ** min(doubled, 10)), self.most_weeks)

    def asks(self, unanswered: int, asked_at: datetime | None, heard_at: datetime | None) -> bool:
        """Whether to ask, once since they were last heard of, if they still want it."""
        silent = self.after > 0 and unanswered >= self.after
        return silent and (asked_at is None or (heard_at is not None and asked_at < heard_at))


NEVER_QUIET = Quiet()


def why_no_mail(
    *,
    status: Status,
    paused_until: date | None,
    cadence: Cadence,
    last_digest_at: datetime | None,
    has_profile: bool,
    now: datetime,
    today: date,
    unanswered: int = 0,
    quiet: Quiet = NEVER_QUIET,
) -> NoMail | None:
    """The reason why this member gets no digest at `now`, or None. `today` is the date in the network's time zone, and
    `unanswered` counts the digests since the last sign of life.

    A pause until today or earlier has ended; one until a later day holds even while the status is active.
    """
    if status == "paused" and (paused_until is None or paused_until > today):
        return "paused"
    if status == "pending" or status == "bounced" or status == "left" or status == "erased":  # noqa: PLR1714 (narrows the type)
        return status
    if paused_until is not None and paused_until > today:
        return "paused"
    if cadence == "none":
        return "cadence"
    if last_digest_at is not None and now - last_digest_at < timedelta(days=DAYS_BETWEEN[cadence]):
        return "cadence"
    weeks = quiet.weeks(unanswered)
    if weeks > 1 and last_digest_at is not None and now - last_digest_at < timedelta(days=7 * weeks - 1):
        return "quiet"
    return None if has_profile else "empty_profile"
