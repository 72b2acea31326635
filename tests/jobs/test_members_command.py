import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from jobs.members import members
from store.database import Database
from tests.builders import stored_network, stored_topic

SECRET = "thirty-two characters of a secret"
Run = Callable[..., Result]


@pytest.fixture
def run(sqlite_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `germane members ...` in an empty folder, on a network with two topics."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GERMANE_DATABASE__URL", str(sqlite_database.engine.url))
    monkeypatch.setenv("GERMANE_SECRET_KEY", SECRET)
    with sqlite_database.writing() as connection:
        network = stored_network(connection, slug="bw", name="Breathe Well")
        stored_topic(connection, network)
        stored_topic(connection, network, key="copd", label="COPD")
    return lambda *arguments, **options: CliRunner().invoke(members, [str(a) for a in arguments], **options)


def written(name: str, content: str, encoding: str = "utf-8") -> Path:
    file = Path(name)
    file.write_bytes(content.encode(encoding))
    return file


def stored(run: Run, *arguments: str) -> list[dict]:
    found: list[dict] = json.loads(run("list", "--json", *arguments).stdout)
    return found


def addresses(run: Run) -> list[str]:
    return [member["address"] for member in stored(run)]


PEOPLE = "email,name,region,topics\njo@example.org,Jo,Wales,stroke\nkim@example.org,Kim,Kent,stroke;copd\n"


def test_an_import_can_be_run_again_and_again(run: Run):
    file = written("people.csv", PEOPLE)
    first, second = run("import", file), run("import", file)
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert "2 rows: 2 added, 0 changed, 0 unchanged, 0 protected, 0 rejected" in first.stdout
    assert "2 rows: 0 added, 0 changed, 2 unchanged, 0 protected, 0 rejected" in second.stdout
    assert addresses(run) == ["jo@example.org", "kim@example.org"]


def test_a_dry_run_shows_the_difference_and_writes_nothing(run: Run):
    run("import", written("people.csv", PEOPLE))
    run("remove", "kim@example.org")
    before = stored(run)
    changed = "email,name,region\njo@example.org,Jo,Scotland\nkim@example.org,K,\nnew@example.org,New,\nbad@,,\n"
    result = run("import", written("changed.csv", changed), "--dry-run")
    assert result.stdout.splitlines()[:4] == [
        "line 2: jo@example.org: changed: region: 'Wales' -> 'Scotland'",
        "line 3: kim@example.org: protected",
        "line 4: new@example.org: added",
        "line 5: rejected: email: There must be something after the @-sign.",
    ]
    assert "1 added, 1 changed, 0 unchanged, 1 protected, 1 rejected (dry run, nothing was written)" in result.stdout
    assert result.exit_code == 4
    assert stored(run) == before
    assert not Path("changed.csv.rejected.csv").exists()


def test_the_difference_comes_as_json_too(run: Run):
    run("import", written("people.csv", PEOPLE))
    changed = written("changed.csv", "email,region\njo@example.org,Kent\nkim@example.org,Kent\nbad@,\n")
    report = json.loads(run("import", changed, "--dry-run", "--json").stdout)
    assert (report["changed"], report["unchanged"], report["rejected"], report["dry_run"]) == (1, 1, 1, True)
    assert report["rows"] == [
        {"line": 2, "address": "jo@example.org", "outcome": "changed", "changes": {"region": ["Wales", "Kent"]}},
        {"line": 4, "outcome": "rejected", "reason": "email: There must be something after the @-sign."},
    ]


def test_an_import_never_starts_mail_again(run: Run):
    content = "email,status\nleft@example.org,left\nbounced@example.org,bounced\npaused@example.org,paused\n"
    run("import", written("gone.csv", content + "erased@example.org,active\n"))
    run("remove", "erased@example.org", "--erase", "--yes")
    back = "email,status,name\n" + "".join(
        f"{s}@example.org,active,X\n" for s in ("left", "bounced", "paused", "erased")
    )
    report = json.loads(run("import", written("back.csv", back), "--json").stdout)
    assert (report["added"], report["changed"], report["protected"], report["status_kept"]) == (0, 1, 3, 1)
    assert [(m["status"], m["name"]) for m in stored(run)] == [
        ("left", ""),
        ("bounced", ""),
        ("paused", "X"),
        ("erased", ""),
    ]


def test_rejected_rows_can_be_mended_and_imported_again(run: Run):
    content = 'email;name;hour\r\njo@example.org;Jo;25\r\nok@example.org;Ok;7\r\nbad@;"Ann; ""A""";8\r\n'
    result = run("import", written("people.csv", content))
    assert result.exit_code == 4
    assert "Rejected rows are in people.csv.rejected.csv" in result.stdout
    rejects = Path("people.csv.rejected.csv")
    rows = list(csv.DictReader(io.StringIO(rejects.read_text("utf-8-sig")), delimiter=";"))
    assert [(row["germane_line"], row["germane_reason"]) for row in rows] == [
        ("2", "hour: '25' is not a whole number from 0 to 23"),
        ("4", "email: There must be something after the @-sign."),
    ]
    mended = rejects.read_text("utf-8").replace(";25;", ";5;").replace("bad@;", "ann@example.org;")
    assert run("import", written("people.csv.rejected.csv", mended)).exit_code == 0
    assert [(m["address"], m["name"], m["hour"]) for m in stored(run)] == [
        ("ok@example.org", "Ok", 7),
        ("jo@example.org", "Jo", 5),
        ("ann@example.org", 'Ann; "A"', 8),
    ]


def test_the_first_of_two_rows_with_one_address_wins_however_far_apart(run: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GERMANE_IMPORTS__BATCH", "3")
    people = [f"m{n}@example.org,M {n}" for n in range(10)]
    content = "\n".join(
        ["email,name", *people, "M1@EXAMPLE.org,Other", "m9@example.org,Other", "m1+x@example.org,Tagged"]
    )
    result = run("import", written("people.csv", content))
    assert "13 rows: 11 added, 0 changed, 0 unchanged, 0 protected, 2 rejected" in result.stdout
    assert "line 12: rejected: M1@example.org is on line 3 already" in result.stderr
    assert [m["name"] for m in stored(run)] == [*(f"M {n}" for n in range(10)), "Tagged"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_every_encoding_gives_the_same_members(run: Run, encoding: str):
    content = 'email;name;stated\r\nzoe@bücher.example;Zoë;"first\r\nsecond"\r\n'
    assert run("import", written("people.csv", content, encoding)).exit_code == 0
    (zoe,) = stored(run)
    assert (zoe["address"], zoe["name"], zoe["stated"]) == ("zoe@xn--bcher-kva.example", "Zoë", "first\nsecond")


def test_the_basis_of_joining_is_recorded(run: Run):
    run("import", written("people.csv", PEOPLE))
    run("import", written("kim.csv", "email\nann@example.org\n"), "--basis", "signed up at the spring meeting")
    jo, ann = (json.loads(run("show", who, "--json").stdout) for who in ("jo@example.org", "ann@example.org"))
    assert [(c["action"], c["basis"]) for c in jo["consent"]] == [("joined", "import people.csv")]
    assert ann["consent"][0]["basis"] == "signed up at the spring meeting"


def test_a_topic_that_does_not_exist_is_named_with_its_line(run: Run):
    result = run("import", written("people.csv", "email,topics\njo@example.org,stroke;golf\n"))
    assert result.exit_code == 0
    assert "line 2: 'golf' is no topic of this network" in result.stderr
    assert stored(run)[0]["chosen"] == ["stroke"]


def test_a_column_that_is_not_known_is_named(run: Run):
    assert "Columns not used: Regoin" in run("import", written("p.csv", "email,Regoin\njo@example.org,Kent\n")).stdout


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "people.csv: the file is empty; its first line must name the columns"),
        ("name,region\nJo,Kent\n", "people.csv: line 1 must name the columns: no column is called address"),
        (None, "people.csv: cannot be read: No such file or directory"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(run: Run, content: str | None, message: str):
    if content is not None:
        written("people.csv", content)
    result = run("import", "people.csv")
    assert (result.exit_code, message in result.stderr) == (4, True)


def test_without_the_secret_key_an_import_goes_on_until_somebody_was_erased(run: Run, monkeypatch: pytest.MonkeyPatch):
    from jobs.settings import SettingsError

    file = written("people.csv", PEOPLE)
    monkeypatch.delenv("GERMANE_SECRET_KEY")
    assert run("import", file).exit_code == 0
    monkeypatch.setenv("GERMANE_SECRET_KEY", SECRET)
    assert run("remove", "jo@example.org", "--erase", "--yes").exit_code == 0
    monkeypatch.delenv("GERMANE_SECRET_KEY")
    assert isinstance(run("import", file).exception, SettingsError)


AWKWARD = '''\
email,name,role,stated,topics,organisation,muted_posters,urgent,paused_until,weekday,cadence
jo@example.org,=HYPERLINK(1),coordinator,"- first
- second ""quoted""",stroke;copd,+44 Trust,"A; B
",yes,2026-12-01,sunday,none
kim@example.org,'Quoted',admin,"@me, or 'me'",,'=x,One;Two,no,,,monthly
'''


def test_an_export_comes_back_unchanged(run: Run):
    run("import", written("people.csv", AWKWARD + "gone@example.org,,,,,,,,,,\n"))
    run("remove", "gone@example.org")
    before = stored(run)
    assert [m["name"] for m in before] == ["=HYPERLINK(1)", "'Quoted'", ""]
    assert "3 members" in run("export", "out.csv").stdout
    cells = [cell for row in csv.reader(io.StringIO(Path("out.csv").read_text("utf-8-sig"))) for cell in row]
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in cells)
    assert "0 added, 0 changed, 2 unchanged, 1 protected, 0 rejected" in run("import", "out.csv").stdout
    assert stored(run) == before


def test_an_export_into_an_empty_network_gives_the_same_members(run: Run, sqlite_database: Database):
    run("import", written("people.csv", AWKWARD))
    exported = run("export", "-").stdout
    with sqlite_database.writing() as connection:
        network = stored_network(connection, slug="copy")
        stored_topic(connection, network)
        stored_topic(connection, network, key="copd", label="COPD")
    assert run("import", written("copy.csv", exported), "-n", "copy").exit_code == 0

    def plain(slug: str) -> list[dict]:
        return [{k: v for k, v in m.items() if k not in {"id", "joined_at"}} for m in stored(run, "-n", slug)]

    assert plain("copy") == plain("bw")


def test_an_export_leaves_out_who_was_erased(run: Run):
    run("import", written("people.csv", PEOPLE))
    run("remove", "jo@example.org", "--erase", "--yes")
    assert run("export", "-").stdout.count("\n") == 2


def test_an_export_that_cannot_be_written_says_so(run: Run):
    result = run("export", "no/such/folder/out.csv")
    assert (result.exit_code, "cannot be written" in result.stderr) == (1, True)


def test_one_member_can_be_added_with_everything(run: Run):
    flags = [
        "--name",
        "Jo",
        "--topic",
        "Stroke",
        "--topic",
        "copd",
        "--languages",
        "cy;en",
        "--weekday",
        "tue",
        "--hour",
        "7",
    ]
    result = run(
        "add", "Jo@Example.org", *flags, "--time-zone", "Europe/London", "--cadence", "monthly", "--role", "admin"
    )
    assert result.exit_code == 0, result.output
    (jo,) = stored(run)
    assert (jo["address"], jo["chosen"], jo["languages"]) == ("Jo@example.org", ["stroke", "copd"], ["cy", "en"])
    assert (jo["weekday"], jo["hour"], jo["time_zone"]) == (1, 7, "Europe/London")
    assert (jo["cadence"], jo["role"], jo["status"], jo["urgent"]) == ("monthly", "admin", "active", False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["jo@"], "There must be something after the @-sign"),
        (["jo@example.org", "--hour", "25"], "'25' is not a whole number from 0 to 23"),
        (["jo@example.org", "--name", "Jo\nBcc: x"], "holds a line break"),
        (["jo@example.org", "--topic", "strok"], "did you mean 'stroke'"),
        (["jo@example.org", "--time-zone", "Mars"], "'Mars' is not a time zone"),
    ],
)
def test_a_member_that_cannot_be_is_not_added(run: Run, arguments: list[str], message: str):
    result = run("add", *arguments)
    assert result.exit_code != 0
    assert message in " ".join(result.stderr.split())
    assert stored(run) == []


def test_a_member_who_is_there_or_was_erased_is_not_added_again(run: Run):
    run("add", "jo@example.org")
    assert "is in this network already, with status active" in run("add", "JO@example.org").stderr
    run("remove", "jo@example.org", "--erase", "--yes")
    assert "is in this network already, with status erased" in run("add", "jo@example.org").stderr


def test_show_tells_everything_by_address_and_by_id(run: Run):
    run("import", written("people.csv", PEOPLE))
    by_address = json.loads(run("show", "JO@example.org", "--json").stdout)
    assert by_address == json.loads(run("show", by_address["id"], "--json").stdout)
    assert (by_address["region"], by_address["chosen"], by_address["digests"]) == ("Wales", ["stroke"], [])
    table = run("show", "jo@example.org").stdout
    assert "Wales" in table
    assert "import people.csv" in table
    assert "no member of bw" in run("show", "nobody@example.org").stderr


def test_list_filters_and_says_when_there_is_more(run: Run):
    run("import", written("people.csv", PEOPLE))
    assert [m["name"] for m in stored(run, "--topic", "copd")] == ["Kim"]
    assert [m["name"] for m in stored(run, "--region", "wales")] == ["Jo"]
    assert stored(run, "--status", "left") == []
    assert [m["name"] for m in stored(run, "--limit", "1")] == ["Jo"]
    assert "There are more than these 1" in run("list", "--limit", "1").stdout
    assert "There are more" not in run("list", "--limit", "2").stdout


def test_removing_asks_before_it_erases_and_tells_when_there_is_nothing_to_do(run: Run):
    run("import", written("people.csv", PEOPLE))
    assert run("remove", "jo@example.org", "--erase", input="n\n").exit_code == 1
    assert stored(run)[0]["status"] == "active"
    jo = stored(run)[0]["id"]
    assert run("remove", "jo@example.org").stdout == f"{jo}: left\n"
    assert run("remove", jo).stdout == f"{jo}: gone already\n"
    assert run("remove", "jo@example.org", "--erase", input="y\n").stdout.endswith(f"{jo}: erased\n")
    assert run("remove", jo, "--erase", "--yes").stdout == f"{jo}: gone already\n"
