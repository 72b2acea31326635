"""`germane init`: an empty machine becomes one that can run."""

from pathlib import Path

import click

from jobs.settings import CONFIG_FILE, SettingsError, render_config


@click.command()
@click.pass_obj
def init(config: Path | None) -> None:
    """Make the database, or migrate it to this version, and write config.toml if there is none.

    Example: germane init
    """
    from jobs.services import open_services, process_is_gone
    from store import schema

    file = config or Path(CONFIG_FILE)
    if not file.exists():
        _write(file)
        click.echo(f"{file}: written, with every setting at its default")
    services = open_services(config, check=False)
    schema.upgrade(services.database, services.now(), lambda owner: process_is_gone(owner.partition("#")[0]))
    click.echo(f"{services.database}: tables are those of this version")
    click.echo("Next: germane networks add SLUG --name NAME --sender-address ADDRESS, then germane doctor")


def _write(file: Path) -> None:
    try:
        file.write_text(render_config(), encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{file}: cannot be written: {error.strerror}; make the folder, or name another") from None
