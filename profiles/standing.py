"""Whether a member may get mail in an edition at all, before anything is matched."""

from datetime import date, datetime, timedelta
from typing import Literal

from profiles.member import Cadence, Status

NoMail = Literal["paused", "cadence", "empty_profile", "pending", "bounced", "left", "erased"]

DAYS_BETWEEN: dict[Cadence, int] = {"weekly": 0, "fortnightly": 13, "monthly": 27}
"""Least days since the member's last digest: one less than two or four weeks, so that an edition an hour early does not
cost a whole period. Weekly needs no gap of its own, since there is one edition a week."""


PERIOD_DAYS: dict[Cadence, int] = {"weekly": 7, "fortnightly": 14, "monthly": 28}
"""Days from one digest to the next."""


def why_no_mail(
    *,
    status: Status,
    paused_until: date | None,
    cadence: Cadence,
    last_digest_at: datetime | None,
    has_profile: bool,
    now: datetime,
    today: date,
) -> NoMail | None:
    """The reason why this member gets no digest at `now`, or None. `today` is the date in the network's time zone.

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
    return None if has_profile else "empty_profile"
