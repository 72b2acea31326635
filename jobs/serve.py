"""`germane serve`: the members' pages and the schedule, in one process."""

import logging
import os
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from jobs.services import TEMPLATES, Services, open_services
from jobs.settings import SettingsError

if TYPE_CHECKING:
    import uvicorn
    from starlette.applications import Starlette

    from jobs.schedule import Ticker

log = logging.getLogger("germane.serve")

DRAIN_S = 30
"""How long a stop waits for what is running; whatever is cut off then is taken up by the next process."""


@click.command()
@click.option("--host", help="The address to listen on (default: web.host).")
@click.option("--port", type=click.IntRange(0, 65535), help="The port to listen on (default: web.port); 0 picks one.")
@click.pass_obj
def serve(config: Path | None, host: str | None, port: int | None) -> None:
    """Answer the links in mails, run each network's edition when it is due, and send what is due.

    Stops on SIGTERM or Ctrl-C after finishing what it is doing. Several processes may run on one database.

    Example: germane serve --port 8025
    """
    services = open_services(config)
    web = services.settings.web
    app = pages(services)
    listener = _listen(host or web.host, web.port if port is None else port)
    logging.basicConfig(
        level=services.settings.log.level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("apscheduler").setLevel(logging.WARNING)
    address, number = listener.getsockname()[:2]
    click.echo(f"Listening on http://{f'[{address}]' if ':' in address else address}:{number}", err=True)
    _serve(services, _server(app), listener)


def pages(services: Services) -> "Starlette":
    """The web application on these services. Raises SettingsError when the secret key is missing."""
    from jobs.bouncing import rule_of
    from jobs.budgeting import bounds_of
    from web.app import create_app
    from web.context import WebContext

    budget, overall = bounds_of(services.settings.budget.model_dump())
    return create_app(
        WebContext(
            database=services.database,
            secret_key=services.secret_key,
            base_url=services.settings.web.base_url,
            now=services.now,
            templates=TEMPLATES / "web",
            items_per_digest=services.settings.digest.items,
            mail_languages=_mail_languages(),
            budget=budget,
            budget_overall=overall,
            webhook_secret=services.settings.incoming.webhook_secret.get_secret_value().encode(),
            bounce_rule=rule_of(services.settings.bounces),
        )
    )


def _mail_languages() -> tuple[str, ...]:
    """English, and each language that the mails are translated into."""
    folder = TEMPLATES / "locale"
    found = {entry.name for entry in folder.iterdir() if entry.is_dir()} if folder.is_dir() else set()
    return ("en", *sorted(found - {"en"}))


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket, made before anything else starts so that a port in use is one clear line."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        reason = error.strerror or str(error)
        raise SettingsError(f"cannot listen on {host} port {port}: {reason}; choose with --host and --port") from None


def _server(app: "Starlette") -> "uvicorn.Server":
    import uvicorn

    # No access log of uvicorn's: its lines would hold the tokens in the paths. The application writes its own.
    return uvicorn.Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=10,
        )
    )


def _serve(services: Services, server: "uvicorn.Server", listener: socket.socket) -> None:
    from jobs import schedule
    from jobs.intake import Intake
    from jobs.run import run_edition
    from jobs.send import send_due

    ticker = schedule.Ticker(services, run_edition, send_due)
    _note_signals(ticker, server)
    intake = Intake(services, services.settings.schedule.tick_s)
    intake.start()
    scheduler = schedule.start(ticker, services.settings.schedule.tick_s)
    server.run(sockets=[listener])
    ticker.stopping.set()
    intake.stop()
    scheduler.pause()
    _drain(ticker)
    scheduler.shutdown(wait=False)
    services.database.close()
    click.echo("Stopped", err=True)


def _note_signals(ticker: "Ticker", server: "uvicorn.Server") -> None:
    """Uvicorn stops on a signal and then raises it again: this handler is what keeps it from killing the process."""

    def stop(*_: object) -> None:
        ticker.stopping.set()
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)


def _drain(ticker: "Ticker") -> None:
    """Wait for the running ticks; end the process outright when they take too long, as a kill would."""
    if not ticker.idle(DRAIN_S):
        click.echo("Stopped in the middle of an edition or of sending; the next process takes it up", err=True)
        sys.stderr.flush()
        os._exit(0)
