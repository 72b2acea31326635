"""Importing 100,000 members from a CSV file, by the command a user would type."""

import csv
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import synthetic

COLUMNS = ("email", "name", "stated", "profession", "region", "country", "languages")
PROFESSIONS = ("Nurse", "Doctor", "Physiotherapist", "Librarian", "Manager", "Patient", "Carer", "Pharmacist")


def write_members(file: Path, rows: int) -> None:
    """A file of valid rows; a thousand different interests serve all of them."""
    interests = [profile.stated for profile in synthetic.profiles(1000)]
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(COLUMNS)
        for n in range(rows):
            profession = PROFESSIONS[n % len(PROFESSIONS)]
            writer.writerow(
                (
                    f"m{n}@h{n % 500}.example.org",
                    f"Member {n}",
                    interests[n % 1000],
                    profession,
                    "Wales",
                    "United Kingdom",
                    "en",
                )
            )


def main(rows: int = 100_000) -> dict[str, float]:
    """Seconds of the import command and of its repetition, and the greatest memory of either, in MB."""
    with tempfile.TemporaryDirectory() as folder:
        _germane(folder, "init")
        _germane(folder, "networks", "add", "bench", "--name", "Bench", "--sender-address", "digest@bench.example.org")
        write_members(Path(folder) / "members.csv", rows)
        seconds = [_germane(folder, "members", "import", "members.csv") for _ in range(2)]
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return {
        "rows": rows,
        "import_s": seconds[0],
        "import_again_s": seconds[1],
        "rows_per_s": rows / seconds[0],
        "peak_mb": memory,
    }


def help_seconds() -> float:
    """Seconds of `germane --help`, the best of five: what it takes when nothing else runs."""
    with tempfile.TemporaryDirectory() as folder:
        return min(_germane(folder, "--help") for _ in range(5))


def _germane(folder: str, *arguments: str) -> float:
    command = [str(Path(sys.executable).parent / "germane"), *arguments]
    environment = os.environ | {"GERMANE_SECRET_KEY": "not so secret, but of thirty-two"}
    started = time.perf_counter()
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    return time.perf_counter() - started


if __name__ == "__main__":
    for name, value in main(*map(int, sys.argv[1:])).items():
        print(f"{name:24} {value:10.3f}")
