import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobs.dns import DnsUnreachable
from jobs.services import TEMPLATES
from store import networks
from tests.faults.misbehaving import Fault
from tests.jobs.installation import Installation, germane, printed


def findings() -> list[dict[str, str]]:
    return list(printed("doctor"))


def problems() -> list[dict[str, str]]:
    return [finding for finding in findings() if finding["level"] == "problem"]


def test_a_sound_installation_has_no_problem(installation: Installation) -> None:
    installation.set("WEB__BASE_URL", "https://digest.example.org")
    germane("thresholds", "set", 33)
    result = germane("doctor")
    assert result.exit_code == 0
    assert {finding["level"] for finding in findings()} == {"ok"}
    assert {finding["area"] for finding in findings()} == {
        "configuration", "secret key", "web.base_url", "database", "templates", "breathe-well", "dkim", "dns", "mail server",
    }  # fmt: skip
    assert not any(finding["advice"] for finding in findings())


def test_it_writes_and_sends_nothing(installation: Installation) -> None:
    rows = installation.fingerprint
    germane("doctor")
    assert (installation.fingerprint, installation.mailed) == (rows, [])
    assert not any(command.startswith("MAIL") for command in installation.server.commands)


def test_a_plain_http_address_is_a_warning_only(installation: Installation) -> None:
    germane("thresholds", "set", 33)
    (warning,) = [finding for finding in findings() if finding["level"] == "warning"]
    assert warning["area"] == "web.base_url"
    assert "https" in warning["advice"]
    assert germane("doctor").exit_code == 0


def test_a_threshold_under_a_floor_that_was_raised_since_is_told(installation: Installation) -> None:
    germane("thresholds", "set", 20)
    germane("thresholds", "set", 22, "--kind", "job")
    assert not [one for one in findings() if "matching.floor" in one["what"]]
    installation.set("MATCHING__FLOOR", 21)
    (low,) = [one for one in findings() if "matching.floor" in one["what"]]
    assert low["what"] == "the threshold 20 is under matching.floor = 21"
    assert "germane thresholds set 21 --network breathe-well" in low["advice"]
    installation.set("MATCHING__FLOOR", 25)
    assert len([one for one in findings() if "matching.floor = 25" in one["what"]]) == 2


def _no_server(installation: Installation) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        installation.set("SMTP__PORT", closed.getsockname()[1])


def _network(**changes: Any) -> Callable[[Installation], None]:
    def change(installation: Installation) -> None:
        with installation.database.writing() as connection:
            networks.change(connection, "breathe-well", **changes)

    return change


def _refused(installation: Installation) -> None:
    installation.server.faults = [Fault("connect", reply=b"554 5.7.1 go away")]


def _no_tables(installation: Installation) -> None:
    Path("empty.db").touch()
    installation.set("DATABASE__URL", "sqlite:///empty.db")


@pytest.mark.parametrize(
    ("plant", "area", "what", "advice"),
    [
        (lambda i: i.set("DIGEST__ITEMZ", 3), "configuration", "'digest.itemz'; did you mean 'items'", "mend it"),
        (lambda i: i.set("SMTP__PORT", "many"), "configuration", "smtp.port = 'many'", "mend it"),
        (lambda i: i.set("NONSENSE", 1), "configuration", "GERMANE_NONSENSE", "mend it"),
        (lambda i: i.unset("SECRET_KEY"), "secret key", "missing or too short", "GERMANE_SECRET_KEY must be set"),
        (lambda i: i.set("SECRET_KEY", "short"), "secret key", "missing or too short", "32 characters"),
        (_no_tables, "database", "empty.db", "has no tables yet; run `germane init`"),
        (lambda i: i.set("DATABASE__URL", "sqlite:///none.db"), "database", "none.db", "germane init"),
        (lambda i: i.set("DATABASE__URL", "sqlite:///no/where.db"), "database", "where.db", "germane init"),
        (lambda i: i.set("DATABASE__URL", "mysql://x/y"), "database", "database.url", "use sqlite:///FILE"),
        (lambda i: i.set("DATABASE__URL", "postgresql://127.0.0.1:1/x"), "database", "127.0.0.1:1", "check database.url"),
        (_no_server, "mail server", "cannot be reached", "check smtp.host, smtp.port"),
        (_refused, "mail server", "554", "check smtp.host"),
        (_network(sender_address="nonsense"), "breathe-well", "sender_address", "--sender-address ADDRESS"),
        (_network(reply_to="a b@example.org"), "breathe-well", "reply_to", "--reply-to ADDRESS"),
        (_network(list_id="a b <c>"), "breathe-well", "'a b <c>' is not a domain name", "--list-id"),
        (_network(time_zone="Mars/Olympus"), "breathe-well", "'Mars/Olympus' does not exist", "--time-zone Europe/London"),
    ],
)  # fmt: skip
def test_each_fault_is_found_and_what_to_do_is_said(
    installation: Installation, plant: Callable[[Installation], None], area: str, what: str, advice: str
) -> None:
    plant(installation)
    (problem,) = problems()
    assert problem["area"] == area
    assert what in problem["what"]
    assert advice in problem["advice"]
    result = germane("doctor")
    assert result.exit_code == 1
    assert "FIX" in result.stdout


def test_a_user_name_without_a_password_is_found_here_and_at_the_server(installation: Installation) -> None:
    installation.set("SMTP__USERNAME", "germane")
    secret, server = problems()
    assert (secret["area"], secret["advice"]) == ("smtp password", "set GERMANE_SMTP__PASSWORD")
    assert server["area"] == "mail server"


def test_several_faults_are_all_found_at_once(installation: Installation) -> None:
    installation.unset("SECRET_KEY")
    _network(list_id="", time_zone="Mars/Olympus")(installation)
    _no_server(installation)
    assert [problem["area"] for problem in problems()] == ["secret key", "breathe-well", "breathe-well", "mail server"]


def test_no_postal_address_is_a_warning(installation: Installation) -> None:
    _network(postal_address="")(installation)
    warnings = [finding for finding in findings() if finding["level"] == "warning"]
    assert any("--postal-address" in warning["advice"] for warning in warnings)


def test_without_the_mail_server_it_does_not_connect(installation: Installation) -> None:
    assert germane("doctor", "--no-smtp").exit_code == 0
    assert installation.server.connections == 0


def test_a_broken_settings_file_is_the_one_finding(installation: Installation, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[smtp\n")
    (problem,) = findings()
    assert (problem["area"], problem["level"]) == ("configuration", "problem")
    assert "config.toml: not a TOML file" in problem["what"]


@pytest.fixture
def templates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the templates that the press reads instead."""
    folder = tmp_path / "templates"
    shutil.copytree(TEMPLATES, folder)
    monkeypatch.setattr("jobs.press.TEMPLATES", folder)
    return folder


BREAKS: list[tuple[str, str, str]] = [
    ("digest.card.html", "\n{% if %}\n", "Expected an expression"),
    ("digest.html", "\n{{ nonsense }}\n", "'nonsense' is not known here"),
    ("digest.subject.txt", "{% for %}", "line 1"),
]


@pytest.mark.parametrize(("name", "addition", "message"), BREAKS)
def test_a_broken_template_is_found_with_file_and_line(
    installation: Installation, templates: Path, name: str, addition: str, message: str
) -> None:
    file = templates / "email" / name
    file.write_text(file.read_text(encoding="utf-8").rstrip("\n") + addition, encoding="utf-8")
    (problem,) = problems()
    assert problem["area"] == "templates"
    assert f"{file}, line " in problem["what"]
    assert message in problem["what"]


def test_a_missing_template_is_found(installation: Installation, templates: Path) -> None:
    (templates / "email" / "digest.html").unlink()
    (problem,) = problems()
    assert "email/digest.html: there is no such template" in problem["what"]


@pytest.mark.parametrize(("name", "addition", "message"), BREAKS)
@pytest.mark.parametrize("mode", [(), ("--dry-run",), ("--no-send",)])
def test_a_run_with_a_broken_template_stops_before_anything_is_composed(
    installation: Installation, templates: Path, name: str, addition: str, message: str, mode: tuple[str, ...]
) -> None:
    file = templates / "email" / name
    file.write_text(file.read_text(encoding="utf-8").rstrip("\n") + addition, encoding="utf-8")
    rows = installation.fingerprint
    result = germane("run", *mode)
    assert result.exit_code == 3
    assert f"{file}, line " in result.stderr
    assert message in result.stderr
    assert (installation.fingerprint, installation.mailed) == (rows, [])


def _signs(installation: Installation) -> None:
    installation.set("DKIM__SIGN", "true")


def _published(installation: Installation) -> None:
    for record in printed("dkim", "keygen"):
        installation.dns[record["name"]] = [record["text"]]


def test_keys_that_are_made_and_published_are_well(installation: Installation) -> None:
    _signs(installation)
    _published(installation)
    assert problems() == []
    assert "news.example.org: 2 keys, SPF and DMARC in place" in germane("doctor").stdout


def test_keys_that_are_missing_are_a_problem(installation: Installation) -> None:
    _signs(installation)
    (problem,) = problems()
    assert problem["what"] == "dkim/news.example.org/germane-rsa.pem: there is no such key"
    assert problem["advice"] == "germane dkim keygen"


def test_a_key_that_is_not_published_is_a_problem_and_so_is_another_one_in_its_place(
    installation: Installation,
) -> None:
    _signs(installation)
    germane("dkim", "keygen")
    assert len(problems()) == 2
    assert "not published" in problems()[0]["what"]
    installation.dns["germane-rsa._domainkey.news.example.org"] = ["v=DKIM1; k=rsa; p=AAAA"]
    assert "holds another key" in problems()[0]["what"]


def test_a_key_that_others_may_read_and_one_that_cannot_be_read_are_problems(installation: Installation) -> None:
    _signs(installation)
    _published(installation)
    file = Path("dkim/news.example.org/germane-rsa.pem")
    file.chmod(0o644)
    assert "others may read it" in problems()[0]["what"]
    file.chmod(0o600)
    file.write_text("nonsense")
    assert "not a private key in PEM form" in problems()[0]["what"]


def test_missing_spf_and_dmarc_are_told(installation: Installation) -> None:
    installation.dns.clear()
    told = [finding["what"] for finding in findings() if finding["area"] == "dns"]
    assert [what.split(" has no ")[1] for what in told] == ["SPF record (RFC 7208)", "DMARC record (RFC 9989)"]


def test_a_dns_that_does_not_answer_is_a_warning_and_need_not_be_asked(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(name: str) -> list[str]:
        raise DnsUnreachable(f"{name}: Timeout")

    monkeypatch.setattr("jobs.dns.txt_records", silent)
    (warning,) = [finding for finding in findings() if finding["area"] == "dns"]
    assert (warning["level"], warning["what"]) == ("warning", "news.example.org: Timeout")
    assert not [finding for finding in printed("doctor", "--no-dns") if finding["area"] == "dns"]
