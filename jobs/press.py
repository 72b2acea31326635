"""The press that prints a network's digests, wired from settings, templates and the store."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from digest.items import URGENT, Topic
from digest.message import DigestPress, Masthead, Recipient
from jobs.keyring import keys_for
from jobs.services import TEMPLATES, Services
from profiles.links import sign

if TYPE_CHECKING:
    import jinja2

    from store.networks import Network


def mail_environment() -> "jinja2.Environment":
    """Jinja2 over the project's templates: autoescaped, and an undefined name is an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined)


def press_for(
    services: Services,
    network: "Network",
    topics: Iterable[Topic],
    *,
    edition_id: str = "trial",
    slot: str = "",
    signed: bool = False,
) -> DigestPress:
    """A press for one edition. Raises TemplateError, naming file and line, when a template cannot be used, and SettingsError
    when what it prints is to be `signed` and a key is missing."""
    keys = keys_for(services.settings, network.sender_address) if signed else ()
    masthead = Masthead(
        network_name=network.name,
        network_slug=network.slug,
        sender_name=network.sender_name or network.name,
        sender_address=network.sender_address,
        reply_to=network.reply_to or network.sender_address,
        postal_address=network.postal_address,
        list_id=network.list_id,
        language=network.language,
        time_zone=network.time_zone,
        edition_id=edition_id,
        slot=slot,
        base_url=services.settings.web.base_url,
        urgent=slot.startswith(URGENT),
    )
    return DigestPress(mail_environment(), masthead, {topic.key: topic.label for topic in topics}, keys)


def recipient_for(
    services: Services,
    public_id: str,
    address: str,
    name: str,
    language: str,
    *,
    asked: bool = False,
    others: Sequence[tuple[str, str]] = (),
) -> Recipient:
    """A member as the mail knows them, with links signed for them alone; `others` are names of other networks whose items it
    holds, and their memberships there."""
    key = services.secret_key
    links = (
        sign(key, "leave", public_id),
        sign(key, "preferences", public_id),
        sign(key, "keep", public_id) if asked else "",
    )
    elsewhere = tuple((name, sign(key, "preferences", one), sign(key, "leave", one)) for name, one in others)
    return Recipient(address, name, language, *links, others=elsewhere)
