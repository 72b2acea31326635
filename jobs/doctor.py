"""`germane doctor`: is everything in place, and if not, what to do."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

import click

from jobs.settings import Settings, SettingsError, load_settings
from jobs.terminal import as_json_option, print_json, print_table

if TYPE_CHECKING:
    from jobs.services import Services
    from store.networks import Network


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. `advice` says what to do and is empty when all is well."""

    area: str
    level: Literal["ok", "warning", "problem"]
    what: str
    advice: str = ""


@click.command()
@click.option("--no-smtp", is_flag=True, help="Do not connect to the mail server.")
@click.option("--no-dns", is_flag=True, help="Do not ask the DNS about the senders' domains.")
@as_json_option
@click.pass_obj
def doctor(config: Path | None, no_smtp: bool, no_dns: bool, as_json: bool) -> None:
    """Check configuration, database, templates, mail server, sender settings and keys. Exit code 1 when there is a problem.

    Example: germane doctor --json
    """
    findings = list(_examine(config, no_smtp, no_dns))
    if as_json:
        print_json([{"area": f.area, "level": f.level, "what": f.what, "advice": f.advice} for f in findings])
    else:
        print_table("", ("", "area", "what", "what to do"), [(_sign(f), f.area, f.what, f.advice) for f in findings])
    if any(f.level == "problem" for f in findings):
        raise click.exceptions.Exit(1)


def _sign(finding: Finding) -> str:
    return {"ok": "ok", "warning": "note", "problem": "FIX"}[finding.level]


def _examine(config: Path | None, no_smtp: bool, no_dns: bool) -> Iterator[Finding]:
    from jobs.services import open_services
    from store.database import StoreError

    try:
        settings = load_settings(config)
    except SettingsError as error:
        yield Finding("configuration", "problem", str(error), "mend it and run `germane doctor` again")
        return
    yield Finding("configuration", "ok", "every key is known and possible")
    try:
        services = open_services(config, settings=settings, check=False)
    except StoreError as error:
        yield Finding("database", "problem", "database.url", str(error))
        return
    yield from _secrets(services)
    yield _base_url(settings)
    database_works = _database(services)
    yield database_works
    yield from _templates(services)
    if database_works.level == "ok":
        yield from _networks(services)
        yield from _signatures(services, no_dns)
    if not no_smtp:
        yield _mail_server(settings)


def _secrets(services: "Services") -> Iterator[Finding]:
    try:
        assert services.secret_key
        yield Finding("secret key", "ok", "set")
    except SettingsError as error:
        yield Finding("secret key", "problem", "missing or too short", str(error))
    if services.settings.smtp.username and not services.settings.smtp.password.get_secret_value():
        yield Finding(
            "smtp password", "problem", "smtp.username is set, the password is not", "set GERMANE_SMTP__PASSWORD"
        )


def _base_url(settings: Settings) -> Finding:
    url = settings.web.base_url
    if url.startswith("https://"):
        return Finding("web.base_url", "ok", url)
    advice = "one-click leaving needs https (RFC 8058 3.1): set web.base_url to the https address members reach"
    return Finding("web.base_url", "warning", url, advice)


def _database(services: "Services") -> Finding:
    from sqlalchemy import text

    from store import schema
    from store.database import StoreError

    url = str(services.database)
    try:
        schema.check(services.database)
        with services.database.writing() as connection:
            connection.execute(text("UPDATE network SET slug = slug WHERE id = -1"))
    except StoreError as error:
        return Finding("database", "problem", url, str(error))
    return Finding("database", "ok", f"{url}: this version's tables, writable")


def _templates(services: "Services") -> Iterator[Finding]:
    from digest.layout import TemplateError
    from jobs.press import press_for
    from store.networks import Network

    trial = Network(slug="trial", name="Trial", sender_address="trial@example.org", list_id="trial.example.org")
    try:
        press_for(services, trial, [])
    except TemplateError as error:
        yield Finding("templates", "problem", str(error), "mend the template; nothing is composed while it is broken")
        return
    yield Finding("templates", "ok", "every mail template renders")


def _networks(services: "Services") -> Iterator[Finding]:
    from store import networks

    with services.database.reading() as connection:
        found = networks.every(connection)
    if not found:
        yield Finding(
            "networks", "warning", "there is none yet", "germane networks add SLUG --name NAME --sender-address ADDRESS"
        )
    for network in found:
        wrong = [f for f in (check(network) for check in SENDER_CHECKS) if f]
        wrong += _thresholds(network, services.settings.matching.floor)
        yield from wrong or [Finding(network.slug, "ok", "sender, list id, address and schedule are set")]


def _sender(network: "Network") -> Finding | None:
    from profiles.address import normalise

    for name in ("sender_address", "reply_to"):
        try:
            normalise(getattr(network, name))
        except ValueError as error:
            option = "--" + name.replace("_", "-")
            return Finding(
                network.slug, "problem", f"{name}: {error}", f"germane networks set {network.slug} {option} ADDRESS"
            )
    return None


def _list_id(network: "Network") -> Finding | None:
    from jobs.networks import is_list_id

    if is_list_id(network.list_id):
        return None
    advice = f"germane networks set {network.slug} --list-id NAME.YOUR.DOMAIN"
    return Finding(network.slug, "problem", f"list_id {network.list_id!r} is not a domain name (RFC 2919)", advice)


def _postal_address(network: "Network") -> Finding | None:
    if network.postal_address:
        return None
    advice = f"germane networks set {network.slug} --postal-address ADDRESS"
    return Finding(network.slug, "warning", "no postal address for the foot of the mails (PECR 23)", advice)


def _schedule(network: "Network") -> Finding | None:
    try:
        ZoneInfo(network.time_zone)
    except (KeyError, ValueError, OSError):
        what = f"time zone {network.time_zone!r} does not exist"
        return Finding(network.slug, "problem", what, f"germane networks set {network.slug} --time-zone Europe/London")
    return None


def _thresholds(network: "Network", floor: float) -> list[Finding]:
    """Those that were set before the floor was raised above them."""
    low = {kind: match for kind, match in network.kind_thresholds.items() if match < floor}
    if network.threshold is not None and network.threshold < floor:
        low = {"": network.threshold, **low}
    return [
        Finding(
            network.slug,
            "warning",
            f"the threshold {match:g}{kind and f' of {kind}'} is under matching.floor = {floor:g}",
            f"lower matching.floor, or: germane thresholds set {floor:g}{kind and f' --kind {kind}'} --network {network.slug}",
        )
        for kind, match in low.items()
    ]


SENDER_CHECKS: tuple[Callable[["Network"], Finding | None], ...] = (_sender, _list_id, _postal_address, _schedule)


def _signatures(services: "Services", no_dns: bool) -> Iterator[Finding]:
    """Keys and DNS records of each sender's domain that can be one."""
    from jobs.keyring import domain_of
    from store import networks

    if not services.settings.dkim.sign:
        yield Finding("dkim", "ok", "signing is left to the mail server (dkim.sign = false)")
    with services.database.reading() as connection:
        senders = [network.sender_address for network in networks.every(connection)]
    for domain in dict.fromkeys(domain_of(sender) for sender in senders if _is_address(sender)):
        yield from _domain(services.settings, domain, no_dns)


def _domain(settings: Settings, domain: str, no_dns: bool) -> Iterator[Finding]:
    from jobs import dkim, dns, keyring

    faults = list(dkim.file_faults(settings, domain)) if settings.dkim.sign else []
    try:
        keys = [] if faults else keyring.keys_for(settings, f"x@{domain}")
        faults += [] if no_dns else dns.faults(domain, keys, dns.txt_records)
    except SettingsError as error:
        yield Finding(
            "dkim", "problem", str(error), "put the file back, or germane dkim keygen with another --selector"
        )
        return
    except dns.DnsUnreachable as error:
        no_dns = True
        yield Finding("dns", "warning", str(error), "see whether this machine can resolve names, or use --no-dns")
    for fault in faults:
        yield Finding("dns", "problem" if fault.grave else "warning", fault.what, fault.advice)
    if not faults and not no_dns:
        signed = f"{len(keys)} keys, " if keys else ""
        yield Finding("dns", "ok", f"{domain}: {signed}SPF and DMARC in place")


def _is_address(text: str) -> bool:
    from profiles.address import normalise

    try:
        normalise(text)
    except ValueError:
        return False
    return True


def _mail_server(settings: Settings) -> Finding:
    from delivery.smtp import probe
    from jobs.services import smtp_route

    where = f"{settings.smtp.host}:{settings.smtp.port}"
    problem = asyncio.run(probe(smtp_route(settings)))
    if problem:
        return Finding(
            "mail server", "problem", f"{where}: {problem}", "check smtp.host, smtp.port, smtp.security and the server"
        )
    return Finding("mail server", "ok", f"{where}: greets, and takes our name, security and password")
