"""`germane demo`: the example network's weekly edition, by the commands that a user would type, from nothing to mails."""

import json
import os
import secrets
import shlex
import shutil
from collections.abc import Callable, Iterable
from csv import DictReader, DictWriter
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from jobs.gallery import Facts
    from store.records import Outcome

FOLDER = Path(".demo")
DATES = ("published_at", "deadline", "event_at", "expires_at")


@click.command()
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), default=FOLDER, show_default=True,
              help="Where the database, the mails and the pages go; an earlier demo there is replaced.")  # fmt: skip
def demo(folder: Path) -> None:
    """Run the example network's weekly edition over a real SMTP server in this process, and show every mail.

    Example: germane demo
    """
    from delivery.sink import MailFolder, Sink, running
    from jobs.services import EXAMPLE, wall_clock

    try:
        _clear(folder)
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise click.BadParameter(f"{folder}: {error.strerror}; name another", param_hint="--folder") from None
    today = wall_clock().date()
    with running(Sink(MailFolder(folder / "mail", envelope=True))) as sink:
        config = _configure(folder, sink.port)
        _command(config, "init")
        _command(config, "networks", "add", *_network_options(EXAMPLE / "network.toml"))
        _command(config, "dkim", "keygen")
        _command(config, "topics", "import", str(EXAMPLE / "topics.csv"))
        _command(config, "members", "import", str(_members(EXAMPLE, folder, today)))
        _command(config, "items", "import", str(_items(EXAMPLE, folder, today)))
        _command(config, "run")
        _command(config, "run")
    page = _gallery(config, folder)
    click.echo(
        f"\n{len(list((folder / 'mail').glob('*.eml')))} mails are in {folder / 'mail'}; look at them all in {page}"
    )
    click.echo("To try the links in them, serve this network's pages:")
    click.echo(f"  GERMANE_SECRET_KEY=$(cat {folder / 'secret'}) germane --config {config} serve")


def _clear(folder: Path) -> None:
    """Take away what an earlier demo made, and nothing else."""
    for name in ("mail", "pages", "dkim"):
        shutil.rmtree(folder / name, ignore_errors=True)
    for file in (*folder.glob("germane.db*"), *folder.glob("*.rejected.*"), folder / "index.html"):
        file.unlink(missing_ok=True)


def _configure(folder: Path, port: int) -> Path:
    from jobs.settings import render_config

    config = folder / "config.toml"
    text = render_config()
    for old, new in (
        ('url = "sqlite:///germane.db"', f'url = "sqlite:///{(folder / "germane.db").absolute()}"'),
        ('base_url = "http://localhost:8025"', 'base_url = "http://127.0.0.1:8025"'),
        ("sign = false", "sign = true"),
        ('keys = "dkim"', f'keys = "{(folder / "dkim").absolute()}"'),
        ('host = "localhost"\n# Its port.\nport = 25', f'host = "127.0.0.1"\n# Its port.\nport = {port}'),
    ):
        assert old in text, old
        text = text.replace(old, new)
    config.write_text(text, encoding="utf-8")
    os.environ["GERMANE_SECRET_KEY"] = _secret(folder / "secret")
    return config


def _secret(file: Path) -> str:
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(32), encoding="ascii")
    return file.read_text(encoding="ascii")


def _command(config: Path, *arguments: str) -> None:
    from jobs.cli import germane

    click.secho(f"\n$ germane {shlex.join(arguments)}", bold=True)
    try:
        result = germane.main(["--config", str(config), *arguments], prog_name="germane", standalone_mode=False)
    except click.exceptions.Exit as stop:
        result = stop.exit_code
    if result:
        raise click.ClickException(f"`germane {arguments[0]}` ended with {result}; the demo stops here")


def _network_options(file: Path) -> list[str]:
    import tomllib

    from jobs.networks import WEEKDAYS

    told = tomllib.loads(file.read_text(encoding="utf-8"))
    at = f"{told['hour']:02}:{told['minute']:02}"
    options = {"weekday": WEEKDAYS[told["weekday"]], "at": at} | {
        name: str(told[name])
        for name in (
            "name", "description", "language", "time_zone", "sender_name", "sender_address", "reply_to",
            "postal_address", "list_id", "items_per_digest",
        )
    }  # fmt: skip
    return [told["slug"], *(word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", value))]


def _weeks(example: Path, today: date) -> timedelta:
    """From the Monday that the example was laid out around to this week's: dates move by whole weeks."""
    import tomllib

    anchor: date = tomllib.loads((example / "network.toml").read_text(encoding="utf-8"))["anchor"]
    return (today - timedelta(days=today.weekday())) - anchor


def _members(example: Path, folder: Path, today: date) -> Path:
    shift, file = _weeks(example, today), folder / "members.csv"
    with (
        (example / "members.csv").open(encoding="utf-8", newline="") as source,
        file.open("w", encoding="utf-8", newline="") as out,
    ):
        rows = DictReader(source)
        writer = DictWriter(out, rows.fieldnames or ())
        writer.writeheader()
        writer.writerows(
            _moved(row, ("paused_until",), lambda d: (date.fromisoformat(d) + shift).isoformat()) for row in rows
        )
    return file


def _items(example: Path, folder: Path, today: date) -> Path:
    shift, file = _weeks(example, today), folder / "items.jsonl"
    rows = map(json.loads, (example / "items.jsonl").read_text(encoding="utf-8").splitlines())
    moved = (_moved(row, DATES, lambda d: (datetime.fromisoformat(d) + shift).isoformat()) for row in rows)
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in moved), encoding="utf-8")
    return file


def _moved(row: dict[str, Any], names: Iterable[str], move: Callable[[str], str]) -> dict[str, Any]:
    return row | {name: move(row[name]) for name in names if row.get(name)}


def _gallery(config: Path, folder: Path) -> Path:
    from jobs.gallery import Delivered, Skipped, write_gallery
    from jobs.run import WORDS, report_on, summary
    from jobs.services import open_services
    from store import editions, networks, records

    services = open_services(config)
    with services.database.reading() as connection:
        network = networks.find(connection)
        edition = editions.latest(connection, network.key)[0]
        outcomes = records.outcomes(connection, edition.key)
    report = report_on(services, network, edition)
    mails = {_message_id(file): file for file in sorted((folder / "mail").glob("*.eml"))}
    return write_gallery(
        folder,
        [Delivered(mails[one.message_id], _facts(one)) for one in outcomes if one.message_id in mails],
        [Skipped(_facts(one), WORDS[one.reason]) for one in outcomes if one.state == "skipped"],
        [(name.strip().capitalize(), str(n)) for name, n in summary(report)],
        title=f"{network.name}: weekly digest {edition.slot}",
    )


def _message_id(file: Path) -> str:
    from email import message_from_binary_file

    with file.open("rb") as content:
        return str(message_from_binary_file(content)["Message-ID"])


def _facts(one: "Outcome") -> "Facts":
    from jobs.gallery import Facts

    details = [("Region", one.region), ("Country", one.country), ("Follows", ", ".join(one.chosen))]
    return Facts(one.name or one.address, one.profession, one.stated, tuple(pair for pair in details if pair[1]))
