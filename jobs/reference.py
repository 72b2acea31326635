"""`make docs`: docs/commands.md, written from the commands themselves."""

from collections.abc import Iterator
from pathlib import Path

import click

from jobs.cli import COMMANDS, EXIT_CODES, germane

FILE = Path(__file__).parent.parent / "docs" / "commands.md"


def reference() -> str:
    """The text of docs/commands.md."""
    context = click.Context(germane, info_name="germane")
    parts = ["# Commands\n", "Written by `make docs` from the commands' own help.\n", _exit_codes()]
    for name in COMMANDS:
        command = germane.get_command(context, name)
        assert command is not None
        parts += _sections(command, click.Context(command, info_name=name, parent=context), 2)
    return "\n".join(parts)


def _sections(command: click.Command, context: click.Context, level: int) -> Iterator[str]:
    yield f"{'#' * level} {context.command_path}\n"
    with context.scope(cleanup=False):
        formatter = click.HelpFormatter(width=100)
        command.format_help(context, formatter)
    yield f"```text\n{formatter.getvalue().rstrip()}\n```\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from _sections(inner, click.Context(inner, info_name=name, parent=context), level + 1)


def _exit_codes() -> str:
    rows = [line.split(maxsplit=1) for line in EXIT_CODES.splitlines() if line.strip()[:1].isdigit()]
    return (
        "\n".join(["| exit code | meaning |", "| --- | --- |", *(f"| {code} | {text} |" for code, text in rows)]) + "\n"
    )


if __name__ == "__main__":
    FILE.write_text(reference(), encoding="utf-8")
    click.echo(f"{FILE}: written")
