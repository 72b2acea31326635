"""The `germane` command. Subcommands are imported only when they run: `germane --help` must not load scikit-learn."""

import os
import sys
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path

import click

COMMANDS = {
    "init": ("jobs.init", "init", "Make or migrate the database and write config.toml."),
    "demo": ("jobs.demo", "demo", "Run the example network's weekly edition and show every mail."),
    "serve": ("jobs.serve", "serve", "Run the pages and the schedule in one process."),
    "run": ("jobs.run", "run", "Run the weekly edition: compose it, then send it."),
    "send": ("jobs.send", "send", "Send what is due in the outbox."),
    "outbox": ("jobs.outbox", "outbox", "Show, retry, cancel and settle messages; let paused routes go again."),
    "receive": ("jobs.receive", "receive", "Take one mail from standard input and do what it asks (leaving)."),
    "networks": ("jobs.networks", "networks", "Add, list and change networks."),
    "members": ("jobs.members", "members", "Import, add, show, list, export and remove members."),
    "items": ("jobs.items", "items", "Post, import, list, show and withdraw items."),
    "feedback": ("jobs.feedback", "feedback", "Import and list what members said about items."),
    "bounces": ("jobs.bounces", "bounces", "Take in what comes back; see and undo what followed from it."),
    "suppress": ("jobs.suppress", "suppress", "Suppress addresses, check and lift it: never to be mailed again."),
    "topics": ("jobs.topics", "topics", "Import and list a network's topics."),
    "preview": ("jobs.preview", "preview", "Show the digest a member would get now."),
    "explain": ("jobs.explain", "explain", "Show how a member's match with an item came about, term by term."),
    "thresholds": ("jobs.thresholds", "thresholds", "Show and set the matches below which nothing is sent."),
    "compare": ("jobs.compare", "compare", "Show which of two matchers members like better."),
    "status": ("jobs.status", "status", "Show editions, their counts and the outbox."),
    "dkim": ("jobs.dkim", "dkim", "Make, show and check the keys that sign the mails."),
    "purge": ("jobs.purge", "purge", "Take away what old editions no longer need."),
    "doctor": ("jobs.doctor", "doctor", "Check configuration, database, templates and mail server; say what to do."),
    "simulate": ("jobs.simulate", "simulate", "Run a year of a made-up network in minutes, policy beside policy."),
    "evaluate": ("jobs.evaluate", "evaluate", "Measure matching and selection on a labelled corpus."),
}

EXIT_CODES = """
\b
Exit codes:
  0  done
  1  done in part: something failed or is still waiting, and was named
  2  the command was called wrongly
  3  the configuration cannot be used
  4  some rows or files were rejected; the rest went in
  5  the database cannot be used now
  6  the mail server cannot be reached; everything stays in the outbox
"""

PARTLY, MISUSED, MISCONFIGURED, REJECTED, DATABASE, MAIL_SERVER = 1, 2, 3, 4, 5, 6


class LazyGroup(click.Group):
    """A group that knows its commands' names and short texts without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[name]
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in COMMANDS.items()])


@click.group(
    cls=LazyGroup, epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.option("--config", type=click.Path(path_type=Path, dir_okay=False), help="Settings file (default: config.toml).")
@click.version_option(package_name="germane")
@click.pass_context
def germane(ctx: click.Context, config: Path | None) -> None:
    """Germane: each member of a network gets one short mail with the few items that fit them, or nothing.

    Example: germane demo
    """
    ctx.obj = config


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; a problem with a name becomes one clear message and an exit code, never a traceback."""
    # Same in, same out on any number of cores, for less processor time.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that has no é shows a question mark, not a traceback
    try:
        stopped_with = germane.main(arguments, standalone_mode=False)  # what a command's Exit carries, else None
    except click.ClickException as error:
        error.show()
        sys.exit(MISUSED)
    except click.Abort:
        _fail("stopped; everything done so far is kept", PARTLY)
    except Exception as error:
        code = _exit_code(error)
        if code is None:
            raise
        _fail(str(error), code)
    if stopped_with:
        sys.exit(stopped_with)


def _exit_code(error: Exception) -> int | None:
    names: dict[type[Exception], int] = {}
    if "jobs.settings" in sys.modules:
        names[sys.modules["jobs.settings"].SettingsError] = MISCONFIGURED
    if "store.database" in sys.modules:
        names[sys.modules["store.database"].WrongName] = MISUSED
        names[sys.modules["store.database"].StoreError] = DATABASE
    if "digest.layout" in sys.modules:
        names[sys.modules["digest.layout"].TemplateError] = MISCONFIGURED
    return next((code for kind, code in names.items() if isinstance(error, kind)), None)


def _fail(message: str, code: int) -> None:
    for line in message.splitlines():
        click.echo(f"germane: {line}", err=True)
    sys.exit(code)
