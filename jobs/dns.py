"""What the DNS says of a sender's domain, and what is wrong with it."""

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from digest.signing import DkimKey

Resolver = Callable[[str], list[str]]
"""Gives the TXT records of a name, each joined from its strings; none where there is no such name. Raises DnsUnreachable."""

WAIT_S = 5.0


class DnsUnreachable(Exception):
    """No name server answers, or it says that it failed."""


class Fault(NamedTuple):
    """What is wrong, and what to do. A `grave` one makes receivers distrust the mail; the others make them doubt it."""

    what: str
    advice: str
    grave: bool = False


def txt_records(name: str) -> list[str]:
    """The resolver of this machine."""
    import dns.exception
    import dns.resolver

    try:
        answer = dns.resolver.resolve(name, "TXT", lifetime=WAIT_S)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except (dns.exception.DNSException, OSError) as error:
        raise DnsUnreachable(f"{name}: {type(error).__name__}") from None
    return [b"".join(record.strings).decode("utf-8", "replace") for record in answer]


def faults(domain: str, keys: "Iterable[DkimKey]", resolve: Resolver) -> Iterator[Fault]:
    """Of DKIM for each key, of SPF, and of DMARC. Raises DnsUnreachable."""
    for key in keys:
        yield from _dkim(key, resolve(key.name))
    if not any(text.lower().startswith("v=spf1") for text in resolve(domain)):
        advice = f'publish a TXT record of {domain} that names your mail server: "v=spf1 a:mail.{domain} -all"'
        yield Fault(f"{domain} has no SPF record (RFC 7208)", advice)
    if not any(_is_dmarc(text) for name in _upwards(domain) for text in resolve(f"_dmarc.{name}")):
        advice = f'publish a TXT record of _dmarc.{domain}: "v=DMARC1; p=none; rua=mailto:postmaster@{domain}"'
        yield Fault(f"{domain} has no DMARC record (RFC 9989)", advice)


def zone_line(name: str, text: str) -> str:
    """A record as name servers read it, in strings of at most 255 octets (RFC 1035 3.3)."""
    strings = " ".join(f'"{text[start : start + 255]}"' for start in range(0, len(text), 255))
    return f"{name}. IN TXT ( {strings} )"


def _dkim(key: "DkimKey", found: list[str]) -> Iterator[Fault]:
    wanted = _tags(key.record)["p"]
    published = [_tags(text).get("p") for text in found]
    if wanted in published:
        return
    advice = (
        "publish what `germane dkim show` prints; until then set dkim.sign = false, or the selector published before"
    )
    if not published:
        yield Fault(f"{key.name} is not published, so no signature by it can be verified", advice, grave=True)
    else:
        revoked = " (it is revoked: p= is empty)" if "" in published else ""
        yield Fault(f"{key.name} holds another key than the one that signs{revoked}", advice, grave=True)


def _tags(record: str) -> dict[str, str]:
    pairs = (tag.partition("=") for tag in record.split(";"))
    return {name.strip().lower(): "".join(value.split()) for name, _, value in pairs}


def _is_dmarc(text: str) -> bool:
    return text.replace(" ", "").lower().startswith("v=dmarc1")


def _upwards(domain: str) -> Iterator[str]:
    """The domain and those above it that may hold its policy, the top one left out."""
    labels = domain.split(".")
    for start in range(max(1, len(labels) - 1)):
        yield ".".join(labels[start:])
