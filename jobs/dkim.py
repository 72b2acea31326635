"""`germane dkim`: make the keys that sign the mails, print their DNS records, and check what is published."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jobs.terminal import as_json_option, network_option, print_json, print_table

if TYPE_CHECKING:
    from digest.signing import DkimKey
    from jobs.dns import Fault
    from jobs.services import Services
    from jobs.settings import Settings


@click.group()
def dkim() -> None:
    """Make, show and check the keys that sign the mails (RFC 6376).

    Example: germane dkim keygen
    """


@dkim.command()
@network_option
@click.option("--selector", help="The keys' name in the DNS (default: dkim.selector). Another one begins a rotation.")
@as_json_option
@click.pass_obj
def keygen(config: Path | None, slug: str, selector: str | None, as_json: bool) -> None:
    """Make an RSA and an Ed25519 key for the sender's domain of a network, or of each, and print their DNS records.

    Keys that are there stay as they are. Publish the records, see `germane dkim check`, then set dkim.sign = true.

    Example: germane dkim keygen --network breathe-well
    """
    from jobs import keyring
    from jobs.services import open_services
    from jobs.settings import SettingsError

    services = open_services(config)
    settings = services.settings
    wanted, made = _selector(selector, settings), []
    for domain in _domains(services, slug):
        try:
            made += keyring.make(settings, domain, wanted)
        except keyring.KeysExist:
            click.echo(f"{domain}: has keys of the selector {wanted}; they stay. --selector makes others", err=True)
        except OSError as error:
            raise SettingsError(f"{settings.dkim.keys}: cannot be written: {error.strerror}; see dkim.keys") from None
    _print_records(settings, made, as_json)
    if made and not as_json:
        click.echo("Publish these records, and when `germane dkim check` finds them set dkim.sign = true", err=True)


@dkim.command()
@network_option
@as_json_option
@click.pass_obj
def show(config: Path | None, slug: str, as_json: bool) -> None:
    """Print the DNS records of all keys, those of a rotation too, and which of them sign.

    Example: germane dkim show
    """
    from jobs import keyring
    from jobs.services import open_services

    services = open_services(config)
    keys = [key for domain in _domains(services, slug) for key in keyring.every_key(services.settings, domain)]
    _print_records(services.settings, keys, as_json)
    if not keys:
        click.echo(f"there are no keys in {services.settings.dkim.keys}; `germane dkim keygen` makes some", err=True)


@dkim.command()
@network_option
@as_json_option
@click.pass_obj
def check(config: Path | None, slug: str, as_json: bool) -> None:
    """Look at the keys' files and ask the DNS for their records, for SPF and for DMARC. Exit code 1 when one is missing.

    Example: germane dkim check --network breathe-well
    """
    from jobs.cli import PARTLY
    from jobs.services import open_services

    services = open_services(config)
    rows = [row for domain in _domains(services, slug) for row in _looked_at(services.settings, domain)]
    if as_json:
        print_json([dict(zip(("domain", "ok", "what", "advice"), row, strict=True)) for row in rows])
    else:
        table = [(domain, "ok" if ok else "FIX", what, advice) for domain, ok, what, advice in rows]
        print_table("", ("domain", "", "what", "what to do"), table)
    if not all(row[1] for row in rows):
        raise click.exceptions.Exit(PARTLY)


def file_faults(settings: "Settings", domain: str) -> "Iterator[Fault]":
    """What is wrong with the files of the keys that sign for a domain, or would."""
    from jobs import keyring
    from jobs.dns import Fault

    rsa, ed25519 = keyring.key_files(settings, domain, settings.dkim.selector)
    if not rsa.exists():
        yield Fault(f"{rsa}: there is no such key", "germane dkim keygen", grave=settings.dkim.sign)
    for file in (rsa, ed25519):
        if file.exists() and not keyring.is_private(file):
            yield Fault(
                f"{file}: others may read it", f"chmod 600 {file}; if they may have, begin a rotation", grave=True
            )


def _looked_at(settings: "Settings", domain: str) -> Iterator[tuple[str, bool, str, str]]:
    """(domain, whether it is well, what, what to do)"""
    from jobs import dns, keyring

    found = list(file_faults(settings, domain))
    keys = [keyring.load(file) for file in keyring.key_files(settings, domain, settings.dkim.selector) if file.exists()]
    try:
        found += dns.faults(domain, keys, dns.txt_records)
    except dns.DnsUnreachable as error:
        yield domain, False, f"the DNS cannot be asked: {error}", "see whether this machine can resolve names"
    for fault in found:
        yield domain, False, fault.what, fault.advice
    if not found:
        yield domain, True, f"{len(keys)} keys, SPF and DMARC are published", ""


def _selector(given: str | None, settings: "Settings") -> str:
    import re

    from jobs.settings import SELECTOR

    if given is not None and not re.fullmatch(SELECTOR, given):
        raise click.BadParameter(
            f"{given!r} is not a name for the DNS; write it like germane2", param_hint="--selector"
        )
    return given or settings.dkim.selector


def _domains(services: "Services", slug: str) -> list[str]:
    """The sender's domains of one network or of all, each once."""
    from jobs import keyring
    from store import networks

    with services.database.reading() as connection:
        found = [networks.find(connection, slug)] if slug else networks.every(connection)
    try:
        return list(dict.fromkeys(keyring.domain_of(network.sender_address) for network in found))
    except ValueError as error:
        raise click.ClickException(f"{error}; `germane networks set SLUG --sender-address ADDRESS` mends it") from None


def _print_records(settings: "Settings", keys: "Iterable[DkimKey]", as_json: bool) -> None:
    from jobs.dns import zone_line

    rows: list[dict[str, Any]] = [
        {"name": key.name, "type": "TXT", "text": key.record, "signs": _signs(settings, key)} for key in keys
    ]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        click.echo(f"; {'signs' if row['signs'] else 'does not sign now'}")
        click.echo(zone_line(row["name"], row["text"]))


def _signs(settings: "Settings", key: "DkimKey") -> bool:
    return settings.dkim.sign and key.selector == f"{settings.dkim.selector}-{key.kind}"
