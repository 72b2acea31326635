"""`germane init`: an empty machine becomes one that can run."""

from pathlib import Path

import click

from jobs.settings import CONFIG_FILE, render_config


@click.command()
@click.pass_obj
def init(config: Path | None) -> None:
    """Make the database, or migrate it to this version, and write config.toml if there is none.

    Example: germane init
    """
    from jobs.services import open_services
    from store import schema

    file = config or Path(CONFIG_FILE)
    if not file.exists():
        file.write_text(render_config(), encoding="utf-8")
        click.echo(f"{file}: written, with every setting at its default")
    services = open_services(config, check=False)
    schema.upgrade(services.database)
    click.echo(f"{services.settings.database.url}: tables are those of this version")
    click.echo("Next: germane networks add SLUG --name NAME --sender-address ADDRESS, then germane doctor")
