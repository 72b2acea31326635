"""Probes: a small mail to an address that is held. They are few, and go out one after the other, by the ledger's rules."""

import asyncio
import logging
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING

from delivery.pool import SmtpPool
from delivery.retry import retry_at
from delivery.smtp import Envelope, MailServerError, Parcel, Receipt
from digest import mime
from digest.message import Recipient
from digest.signing import Signer, names_of, relaxed
from jobs.keyring import keys_for
from jobs.press import mail_environment, recipient_for
from jobs.services import Services, process_name, smtp_route
from profiles.verp import return_path
from store import bounces, outbox
from store.outbox import Claim, Settled

if TYPE_CHECKING:
    from store.networks import Network

log = logging.getLogger("germane.incoming")

AT_ONCE = 100
_BODY = (
    b'MIME-Version: 1.0\r\nContent-Type: text/plain; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n'
)


def send_probes(services: Services) -> int:
    """Hand over the probes that are due; how many of them the mail server took. Without a mail server they wait."""
    owner, now = f"{process_name()}#{secrets.token_hex(4)}", services.now()
    lease = now + timedelta(seconds=services.settings.sending.lease_s)
    with services.database.writing() as connection:
        claims = outbox.claim(connection, owner, [None], now=now, lease_until=lease, limit=AT_ONCE)
    if not claims:
        return 0
    try:
        return asyncio.run(_send(services, owner, claims))
    except MailServerError as error:
        log.warning("probes wait: %s", error)
        return 0
    finally:
        with services.database.writing() as connection:
            outbox.release(connection, owner, services.now())


async def _send(services: Services, owner: str, claims: list[Claim]) -> int:
    taken = 0
    async with SmtpPool(smtp_route(services.settings)) as pool:
        for claim in claims:
            try:
                taken += await _hand_over(services, owner, claim, pool)
            except MailServerError:
                raise
            except Exception as error:  # one probe must not stop the others
                log.error("probe %d met an unexpected error: %s", claim.key, type(error).__name__)
    return taken


async def _hand_over(services: Services, owner: str, claim: Claim, pool: SmtpPool) -> bool:
    obstacle = "" if claim.status == "bounced" else claim.status

    async def before_dot() -> bool:
        with services.database.writing() as connection:
            return claim.key in outbox.mark_dots(connection, owner, [claim.key])

    receipt = None if obstacle else await pool.send(parcel_of(services, claim), before_dot)
    settled = _settled(services, claim, receipt, obstacle)
    with services.database.writing() as connection:
        outbox.settle(connection, owner, [settled])
    return settled.state == "handed_over"


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


def _settled(services: Services, claim: Claim, receipt: Receipt | None, obstacle: str) -> Settled:
    now, sending = services.now(), services.settings.sending
    if receipt is None:
        return Settled(claim.key, "cancelled", claim.attempts, now, reason=obstacle or "not held any more")
    state, not_before = receipt.outcome, None
    if state == "deferred":
        not_before = retry_at(
            claim.attempts + 1,
            since=claim.created_at,
            now=now,
            first_retry_s=sending.first_retry_s,
            give_up_after_h=sending.give_up_after_h,
            seed=claim.message_id,
        )
        state = state if not_before else "refused"
    return Settled(
        key=claim.key,
        state=state,
        attempt=claim.attempts + 1,
        at=now,
        reason="" if state == "handed_over" else receipt.reply,
        not_before=not_before,
        code=receipt.code,
        enhanced_status=receipt.enhanced_status,
        step=receipt.step,
        verdict=receipt.verdict.about if receipt.verdict else "",
        reply=receipt.reply,
        elapsed_ms=receipt.elapsed_ms,
    )
