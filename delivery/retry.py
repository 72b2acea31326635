"""When a message that was refused for now is tried again."""

import zlib
from datetime import datetime, timedelta

SPREAD = 0.1
"""Each wait is longer or shorter by up to this share, so that messages refused together do not come back together."""


def retry_at(
    attempt: int, *, since: datetime, now: datetime, first_retry_s: float, give_up_after_h: float, seed: str
) -> datetime | None:
    """The moment of the next attempt after attempt number `attempt` (from 1), or None when it is time to give up.

    The wait doubles with each attempt (RFC 5321 4.5.4.1). `since` is when the message was composed; the last attempt is
    made at the latest `give_up_after_h` after that. The spread depends on `seed` and the attempt only.
    """
    last = since + timedelta(hours=give_up_after_h)
    if now >= last:
        return None
    wait_s = first_retry_s * 2 ** min(attempt - 1, 20)
    share = zlib.crc32(f"{seed}/{attempt}".encode()) / 2**32
    return min(now + timedelta(seconds=wait_s * (1 - SPREAD + 2 * SPREAD * share)), last)
