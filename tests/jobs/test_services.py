"""Who holds a claim, and whether they still live."""

import os
import platform
import subprocess
import sys

from jobs.services import process_is_gone, process_name


def test_this_process_is_not_gone() -> None:
    assert not process_is_gone(process_name())


def test_a_process_that_ended_is_gone() -> None:
    command = "from jobs.services import process_name; print(process_name())"
    name = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True).stdout.strip()
    assert process_is_gone(name)


def test_another_process_that_got_the_same_number_is_not_taken_for_it() -> None:
    """In a container the first process is number 1 after each restart."""
    assert process_is_gone(f"{platform.node()}:{os.getpid()}:1")


def test_of_another_hosts_process_nothing_is_known() -> None:
    assert not process_is_gone("another-host.example.org:1:1")
    assert not process_is_gone("")
