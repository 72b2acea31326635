"""`germane evaluate`: matching and selection measured on a labelled corpus."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from jobs.terminal import print_table

if TYPE_CHECKING:
    from bench.evaluation import Report, Split


def _likes(_ctx: click.Context, _param: click.Parameter, value: str) -> tuple[int, ...]:
    try:
        likes = tuple(int(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter("give whole numbers separated by commas, such as 0,3,10") from None
    if not likes or min(likes) < 0:
        raise click.BadParameter("numbers of likes are 0 or more")
    return likes


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--split", type=click.Choice(["dev", "test"]), default="test", show_default=True, help="Rounds to measure on."
)
@click.option(
    "--k", "ks", default="0,1,3,10,30", show_default=True, callback=_likes, help="Likes known of each member."
)
@click.option(
    "--run", "run_file", type=click.Path(path_type=Path, dir_okay=False), help="Write the rankings as a TREC run file."
)
@click.option(
    "--ablation", "ablate", is_flag=True, help="Print what each ingredient is worth, every one left out alone."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def evaluate(folder: Path, split: str, ks: tuple[int, ...], run_file: Path | None, ablate: bool, as_json: bool) -> None:
    """Measure matching and selection on the labelled corpus in FOLDER.

    `dev` is for tuning: it measures on the calibration rounds, each as the first edition of a network that knows the likes of
    --k. `test` takes those rounds as feedback and measures on the test rounds: the match is learnt from them and profiles learn
    from them, in what is sent; rankings know the likes of --k alone. The column `unlearnt` is SU where profiles learn nothing
    from them.

    \b
    Example:
      germane evaluate corpora/mailing-lists --split dev --k 0,10 --run run.txt
      germane evaluate corpora/mailing-lists --ablation --k 0,10
    """
    from bench.corpora import CorpusError
    from bench.evaluation import evaluate as measure

    try:
        if ablate:
            _ablation(folder, "dev" if split == "dev" else "test", ks, as_json)
            return
        report = measure(folder, "dev" if split == "dev" else "test", ks, lambda text: click.echo(text, err=True))
    except CorpusError as error:
        raise click.UsageError(str(error)) from None
    if run_file:
        try:
            run_file.write_text("".join(f"{line}\n" for line in report.run), encoding="utf-8")
        except OSError as error:
            raise click.UsageError(f"{run_file}: cannot be written: {error.strerror}") from None
    if as_json:
        click.echo(json.dumps(report.as_dict(), indent=2))
    else:
        _print_table(report)


def _ablation(folder: Path, split: "Split", ks: tuple[int, ...], as_json: bool) -> None:
    from bench.ablation import ablation

    rows = list(ablation(folder, split, ks, lambda text: click.echo(text, err=True)))
    if as_json:
        click.echo(json.dumps([asdict(row) for row in rows], indent=2))
        return
    columns = ("without", *(f"nDCG@8 k={k}" for k in ks), *(f"SU k={k}" for k in ks))
    cells = [(row.without or "nothing", *(f"{value:.3f}" for value in (*row.ndcg, *row.utility))) for row in rows]
    print_table(f"{folder.name}, {split} rounds: without one ingredient", columns, cells, range(1, len(columns)))


COLUMNS = {
    "likes": "k",
    "ndcg": "nDCG@8",
    "precision": "P@8",
    "recall": "recall@8",
    "average_precision": "MAP",
    "utility": "SU",
    "utility_unlearnt": "unlearnt",
    "f05": "F0.5",
    "ndcg_or_silence": "nDCG8-1",
    "silent_ok": "silent",
    "sent_precision": "precision",
    "calibration_error": "ECE",
}


def _print_table(report: "Report") -> None:
    values = [asdict(measures) for measures in report.measures]
    rows = [[f"{x[key]:.3f}" if isinstance(x[key], float) else x[key] for key in COLUMNS] for x in values]
    print_table(f"{report.corpus}, {report.split} rounds", tuple(COLUMNS.values()), rows, range(len(COLUMNS)))
