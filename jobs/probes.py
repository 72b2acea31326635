"""Probes: a small mail to an address that is held. They go out as digests do: by the same routes, paces and ledger."""

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from delivery.smtp import Envelope, Parcel, Receipt
from digest import mime
from digest.message import Recipient
from digest.signing import Signer, names_of, relaxed
from jobs.dispatch import Dispatch
from jobs.keyring import keys_for
from jobs.letters import Letter, Letters, not_composed
from jobs.press import mail_environment, recipient_for
from jobs.senders import share_of
from jobs.services import Services
from profiles.verp import return_path
from store import bounces, outbox, pacing
from store.outbox import Claim, Scope
from store.pacing import Pace

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from store.networks import Network

log = logging.getLogger("germane.incoming")

AT_ONCE = 100
_BODY = (
    b'MIME-Version: 1.0\r\nContent-Type: text/plain; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n'
)


def send_probes(services: Services) -> int:
    """Hand over the probes that are due; how many of them the mail server took. Without a mail server they wait."""
    alone = Services(share_of(services.settings, 1), services.database, services.now)
    dispatch = Dispatch(alone, Scope(), AT_ONCE, lambda _: None, Probes)
    asyncio.run(dispatch.run())
    if dispatch.tally.mail_server_problem:
        log.warning("probes wait: %s", dispatch.tally.mail_server_problem)
    return dispatch.tally.outcomes.get("handed_over", Counter()).total()


class Probes(Letters):
    """The messages of no edition."""

    _any = False

    @property
    def edition_keys(self) -> Sequence[int | None]:
        return [None] if self._any else []

    def open(self) -> dict[tuple[str, str], Pace]:
        now = self._services.now()
        self._give_up_stale(now)
        with self._services.database.reading() as connection:
            self._any = outbox.is_any_alone_due(connection, now)
            return pacing.load(connection)

    def _close_answered(self, connection: "Connection", now: datetime) -> None:
        """Probes hold no items."""

    def _read(self, claims: list[Claim], now: datetime) -> list[Letter]:
        return [Letter(claim, None, (), _obstacle(claim.status)) for claim in claims]

    def parcel(self, letter: Letter) -> Parcel | Receipt:
        try:
            return parcel_of(self._services, letter.claim)
        except Exception as error:  # one probe must not stop the others
            return not_composed(letter.claim, error, "deferred")


def _obstacle(status: str) -> str:
    return "" if status == "bounced" else "not held any more" if status == "active" else status


def parcel_of(services: Services, claim: Claim) -> Parcel:
    """A probe in its envelope, whose sender names the probe where a digest's names its edition."""
    with services.database.reading() as connection:
        network = bounces.network_of(connection, claim.key)
    recipient = recipient_for(services, claim.member_public_id, claim.address, claim.name, claim.language)
    domain = mime.wire_address(network.sender_address).rpartition("@")[2]
    probe_id = claim.message_id.strip("<>").partition("@")[0].removeprefix(bounces.PROBE_PREFIX)
    sender = return_path(services.secret_key, claim.member_public_id, probe_id, domain)
    return Parcel(Envelope(sender, claim.address), _content(services, network, recipient, claim))


def _content(services: Services, network: "Network", recipient: Recipient, claim: Claim) -> bytes:
    environment, base = mail_environment(), services.settings.web.base_url
    leave = f"{base}/leave/{recipient.leave_token}"
    words = {"network_name": network.name, "postal_address": network.postal_address, "leave_url": leave}
    text = environment.get_template("email/probe.txt").render(**words) + "\n"
    body = mime.quoted_printable(text)
    head = b"".join(
        [
            mime.address_field("From", network.sender_name or network.name, network.sender_address),
            mime.address_field("Reply-To", network.name, network.reply_to or network.sender_address),
            mime.address_field("To", recipient.name, recipient.address),
            mime.text_field("Subject", environment.get_template("email/probe.subject.txt").render(**words)),
            f"Date: {claim.dated_at:%a, %d %b %Y %H:%M:%S +0000}\r\n".encode(),
            b"Message-ID: %b\r\n" % mime.message_id(claim.message_id).encode(),
            mime.list_field("List-Unsubscribe", leave),
            b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n",
            b"Auto-Submitted: auto-generated\r\nX-Auto-Response-Suppress: All\r\nX-Digest-Issue: probe\r\n",
            _BODY,
        ]
    )
    keys = keys_for(services.settings, network.sender_address)
    signatures = Signer(keys, names_of(head)).fields(relaxed(head), body, claim.dated_at) if keys else b""
    return b"".join([signatures, head, mime.CRLF, body])
