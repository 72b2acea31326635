from datetime import date
from pathlib import Path
from typing import Any

import pytest

from digest.items import Topic
from profiles.joining import Entry
from sources.decoding import SourceError
from sources.members import MemberReader, Rejection, open_members, status_of_file

TOPICS = (
    Topic("stroke", "Stroke", synonyms=("brain attack",)),
    Topic("copd", "COPD"),
    Topic("mood", "Mood, memory and thinking"),
)


def opened(tmp_path: Path, content: str, name: str, **options: Any) -> tuple[MemberReader, list[Entry | str]]:
    """The reader, and for each row its entry or the reason why it is rejected."""
    file = tmp_path / name
    file.write_text(content, encoding="utf-8", newline="")
    table, columns = open_members(file)
    reader = MemberReader(columns, table.header, TOPICS, status_of_file(file, columns, options.get("status")))
    with table:
        return reader, [outcome(reader, row) for row in table]


def outcome(reader: MemberReader, row: Any) -> Entry | str:
    try:
        return reader.entry(row)
    except Rejection as reason:
        return str(reason)


def entries(tmp_path: Path, content: str, name: str = "members.csv", **options: Any) -> list[Any]:
    return opened(tmp_path, content, name, **options)[1]


def values(tmp_path: Path, content: str, name: str = "members.csv", **options: Any) -> list[dict[str, Any]]:
    return [dict(entry.values) for entry in entries(tmp_path, content, name, **options)]


def one(tmp_path: Path, column: str, cell: str) -> Any:
    """What the cell of one column becomes, or why it is rejected."""
    quoted = cell.replace('"', '""')
    (entry,) = entries(tmp_path, f'email,{column}\njo@example.org,"{quoted}"\n')
    return entry if isinstance(entry, str) else entry.values


EVERY_COLUMN = """\
email,name,status,role,stated,topics,profession,setting,organisation,organisation_type,region,country,languages,\
cadence,weekday,hour,time_zone,items_per_digest,muted_kinds,muted_topics,muted_posters,paused_until,urgent,language
Jo@Example.org,Jo Bloggs,active,coordinator,"Stroke,
and aphasia",stroke;COPD,Nurse,Hospital,Calderbeck,NHS trust,Wales,UK,cy;en-GB,\
monthly,Tuesday,7,Europe/London,4,job;survey,copd,Big Pharma; Spam Ltd,2026-12-01,yes,cy
"""


def test_every_column_of_our_own_is_read(tmp_path: Path):
    (entry,) = entries(tmp_path, EVERY_COLUMN)
    assert (entry.line, entry.address.display, entry.address.key) == (2, "Jo@example.org", "jo@example.org")
    assert entry.values == {
        "name": "Jo Bloggs",
        "status": "active",
        "role": "coordinator",
        "stated": "Stroke,\nand aphasia",
        "chosen": ("stroke", "copd"),
        "profession": "Nurse",
        "setting": "Hospital",
        "organisation": "Calderbeck",
        "organisation_type": "NHS trust",
        "region": "Wales",
        "country": "UK",
        "languages": ("cy", "en"),
        "cadence": "monthly",
        "weekday": 1,
        "hour": 7,
        "time_zone": "Europe/London",
        "items_per_digest": 4,
        "muted_kinds": ("job", "survey"),
        "muted_topics": ("copd",),
        "muted_posters": ("Big Pharma", "Spam Ltd"),
        "paused_until": date(2026, 12, 1),
        "urgent": True,
        "language": "cy",
    }


def test_a_column_that_is_absent_says_nothing_and_an_empty_cell_clears(tmp_path: Path):
    assert values(tmp_path, "email,region,topics,hour\njo@example.org,,,\n") == [
        {"region": "", "chosen": (), "hour": None}
    ]


def test_an_empty_status_says_nothing(tmp_path: Path):
    assert values(tmp_path, "email,status\njo@example.org,\n") == [{}]


@pytest.mark.parametrize(
    ("column", "cell", "reason"),
    [
        ("name", "Jo\nBcc: all@example.org", "name: holds a line break; put the name on one line"),
        ("name", "Jo\rX-Evil: 1", "name: holds a line break; put the name on one line"),
        ("name", "Jo\u2028X", "name: holds a line break; put the name on one line"),
        ("name", "Jo\0", "name: holds a NUL octet; take it out"),
        (
            "Region",
            "Wal\ufffds",
            "Region: holds a character that cannot be read in the file's encoding; write it again",
        ),
        ("name", "x" * 501, "name: is 501 characters long; at most 500"),
        ("stated", "x" * 50_001, "stated: is 50,001 characters long; at most 50,000"),
        ("status", "actve", "status: 'actve' is none of active, enabled, subscribed"),
        ("status", "erased", "status: erased cannot come from a file"),
        ("role", "boss", "role: 'boss' is none of member, coordinator, admin"),
        ("cadence", "daily", "cadence: 'daily' is none of weekly, fortnightly, monthly, none"),
        ("weekday", "8", "weekday: '8' is neither a weekday in English nor 0 (Monday) to 6 (Sunday)"),
        ("weekday", "mo", "weekday: 'mo' is neither"),
        ("hour", "24", "hour: '24' is not a whole number from 0 to 23"),
        ("hour", "-1", "hour: '-1' is not a whole number"),
        ("hour", "٧", "hour: '٧' is not a whole number"),
        ("items_per_digest", "0", "items_per_digest: '0' is not a whole number from 1 to 50"),
        ("items_per_digest", "9" * 40, "items_per_digest: '"),
        ("time_zone", "Europe/Lundon", "time_zone: 'Europe/Lundon' is not a time zone; write it like Europe/London"),
        ("time_zone", "../../etc/passwd", "time_zone: '../../etc/passwd' is not a time zone"),
        ("muted_kinds", "job;jobs", "muted_kinds: 'jobs' is none of request, event"),
        ("paused_until", "1/12/2026", "paused_until: '1/12/2026' is not a date; write it like 2026-11-30"),
        ("urgent", "maybe", "urgent: 'maybe' is neither yes nor no"),
        ("languages", "English", "languages: 'English' is not a language tag such as en or cy"),
    ],
)
def test_a_cell_that_cannot_be_is_rejected_with_the_name_of_its_column(
    tmp_path: Path, column: str, cell: str, reason: str
):
    assert str(one(tmp_path, column, cell)).startswith(reason)


def test_an_address_that_is_none_is_rejected_with_the_name_of_its_column(tmp_path: Path):
    rejected = entries(tmp_path, "E-mail,name\njo@,Jo\njo@example.org\0,Jo\nx@y@example.org,Jo\n")
    assert all(isinstance(reason, str) and reason.startswith("E-mail: ") for reason in rejected)


def test_a_row_that_cannot_be_taken_apart_is_rejected(tmp_path: Path):
    assert entries(tmp_path, "email,name\njo@example.org\n") == ["the row has 1 cells where the header has 2"]


def test_line_breaks_in_an_organisation_become_spaces(tmp_path: Path):
    assert one(tmp_path, "organisation", "Calderbeck\r\n Trust") == {"organisation": "Calderbeck Trust"}


def test_topics_are_known_by_key_label_and_synonym_whatever_the_separator(tmp_path: Path):
    for cell in ("stroke;mood", "STROKE|Mood, memory and thinking", "brain attack\nmood", "stroke, mood"):
        assert one(tmp_path, "topics", cell) == {"chosen": ("stroke", "mood")}


def test_a_topic_the_network_does_not_have_is_left_out_and_named_with_its_line(tmp_path: Path):
    content = "email,topics\na@example.org,stroke;vip\nb@example.org,vip\nc@example.org,golf;copd\n"
    reader, rows = opened(tmp_path, content, "members.csv")
    assert [dict(row.values) for row in rows] == [{"chosen": ("stroke",)}, {}, {"chosen": ("copd",)}]
    assert reader.topics.unknown == {"vip": 2, "golf": 4}


def test_unknown_topics_are_remembered_up_to_a_limit(tmp_path: Path):
    content = "email,topics\n" + "".join(f"m{n}@example.org,word{n}\n" for n in range(1200))
    assert len(opened(tmp_path, content, "members.csv")[0].topics.unknown) == 1000


def test_a_name_may_stand_with_the_address(tmp_path: Path):
    found = entries(tmp_path, 'email\n"Bloggs, Jo <jo@example.org>"\n')
    assert (found[0].address.display, found[0].values) == ("jo@example.org", {"name": "Bloggs, Jo"})
    content = "email,name\nJo B <jo@example.org>,\nKim K <kim@example.org>,Kim Other\n"
    assert [v["name"] for v in values(tmp_path, content)] == ["Jo B", "Kim Other"]


def test_the_columns_of_rejects_are_ignored(tmp_path: Path):
    file = tmp_path / "members.csv.rejected.csv"
    file.write_text("email,germane_line,germane_reason\njo@example.org,7,old reason\n")
    table, columns = open_members(file)
    table.close()
    assert columns.unused == ()


def test_columns_that_mean_nothing_here_are_named(tmp_path: Path):
    file = tmp_path / "members.csv"
    file.write_text("Email,Shoe size,Regoin\njo@example.org,42,Wales\n")
    table, columns = open_members(file)
    table.close()
    assert columns.unused == ("Shoe size", "Regoin")


def test_a_file_without_an_address_column_is_refused(tmp_path: Path):
    with pytest.raises(SourceError, match=r"members\.csv: line 1 must name the columns: no column is called address"):
        entries(tmp_path, "name,region\nJo,Wales\n")


def test_a_table_without_a_header_is_refused(tmp_path: Path):
    with pytest.raises(SourceError, match=r"the columns are: jo@example\.org, Jo"):
        entries(tmp_path, "jo@example.org,Jo\nkim@example.org,Kim\n")


def test_two_columns_for_one_thing_are_refused(tmp_path: Path):
    with pytest.raises(SourceError, match="the columns Company and organisation give the same thing; take one out"):
        entries(tmp_path, "email,Company,organisation\njo@example.org,A,B\n")


LISTMONK = """\
uuid,email,name,attributes,status,created_at,updated_at
5e91dda1-1c16-467d-9bf9-2a21bf22ae21,jo@example.org,Jo,"{""region"": ""Wales"", ""topics"": [""stroke"", ""vip""], \
""city"": ""Bath"", ""hour"": 7, ""country"": null}",enabled,2024-03-04 10:11:12.5 +0000 UTC,2024-03-05 00:00:00 +0000 UTC
a,kim@example.org,Kim,{},disabled,2024-03-04 10:11:12 +0000 UTC,x
b,ana@example.org,Ana,{},blocklisted,,x
"""


def test_listmonk_exports_are_understood(tmp_path: Path):
    jo, kim, ana = entries(tmp_path, LISTMONK, "subscribers.csv")
    assert jo.values == {
        "name": "Jo",
        "status": "active",
        "region": "Wales",
        "chosen": ("stroke",),
        "hour": 7,
        "country": "",
    }
    assert jo.evidence == "created_at 2024-03-04 10:11:12.5 +0000 UTC"
    assert (kim.values, ana.values) == ({"name": "Kim", "status": "left"}, {"name": "Ana", "status": "left"})


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ("{", "attributes: is not JSON"),
        ("[1]", "attributes: is not a JSON object"),
        ('{"hour": 99}', "attributes: hour: '99' is not a whole number from 0 to 23"),
        ("[" * 100_000, "attributes: is not a JSON object"),
    ],
)
def test_attributes_that_cannot_be_read_are_rejected(tmp_path: Path, attributes: str, reason: str):
    quoted = attributes.replace('"', '""')
    content = f'uuid,email,name,attributes,status\na,jo@example.org,Jo,"{quoted}",enabled\n'
    (found,) = entries(tmp_path, content)
    assert str(found).startswith(reason)


MAILCHIMP = """\
"Email Address","First Name","Last Name",Address,Company,MEMBER_RATING,OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,CONFIRM_IP,\
LATITUDE,LONGITUDE,GMTOFF,DSTOFF,TIMEZONE,CC,REGION,LAST_CHANGED,LEID,EUID,NOTES,TAGS
jo@example.org,Jo,Bloggs,"1 High Street",Calderbeck,2,"2018-10-11 09:55:14",,"2018-10-11 09:56:00",192.0.2.7,\
51.5,-0.1,0,1,Europe/London,GB,ENG,"2018-10-11 09:56:00",90498395,810826c56e,,"""


def mailchimp(tmp_path: Path, tags: str = "", name: str = "subscribed_email_audience_export_1a2b3c.csv") -> Entry:
    quoted = tags.replace('"', '""')
    (entry,) = entries(tmp_path, f'{MAILCHIMP}"{quoted}"\n', name)
    assert isinstance(entry, Entry)
    return entry


def test_mailchimp_exports_are_understood(tmp_path: Path):
    entry = mailchimp(tmp_path, '"VIP","Stroke"')
    assert entry.values == {
        "name": "Jo Bloggs",
        "organisation": "Calderbeck",
        "chosen": ("stroke",),
        "status": "active",
    }
    assert entry.evidence == "OPTIN_TIME 2018-10-11 09:55:14; CONFIRM_TIME 2018-10-11 09:56:00; CONFIRM_IP 192.0.2.7"


def test_a_member_without_tags_keeps_the_topics_they_chose(tmp_path: Path):
    assert "chosen" not in mailchimp(tmp_path).values
    assert "chosen" not in mailchimp(tmp_path, '"VIP"').values


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("subscribed_members_export_15d1.csv", "active"),
        ("unsubscribed_email_audience_export_15d1.csv", "left"),
        ("unsubscribed_members_export_15d1.csv", "left"),
        ("cleaned_members_export_15d1.csv", "bounced"),
        ("nonsubscribed_members_export_15d1.csv", "pending"),
    ],
)
def test_mailchimp_says_in_the_file_name_who_is_subscribed(tmp_path: Path, name: str, status: str):
    assert mailchimp(tmp_path, name=name).values["status"] == status


@pytest.mark.parametrize(("column", "status"), [("UNSUB_TIME", "left"), ("CLEAN_TIME", "bounced")])
def test_mailchimp_says_in_a_column_who_is_gone(tmp_path: Path, column: str, status: str):
    content = f"Email Address,LEID,{column}\njo@example.org,1,2019-01-02 03:04:05\nkim@example.org,2,\n"
    found = values(tmp_path, content, "renamed.csv")
    assert found == [{"status": status}, {}]


def test_no_given_status_brings_back_who_is_gone(tmp_path: Path):
    content = "Email Address,LEID,UNSUB_TIME\njo@example.org,1,2019-01-02 03:04:05\nkim@example.org,2,\n"
    assert values(tmp_path, content, status="active") == [{"status": "left"}, {"status": "active"}]
    assert [v["status"] for v in values(tmp_path, content, "cleaned_members_export.csv", status="active")] == [
        "left",
        "bounced",
    ]


def test_a_given_status_holds_for_rows_that_say_none(tmp_path: Path):
    content = "email,status\njo@example.org,\nkim@example.org,paused\n"
    assert values(tmp_path, content, status="pending") == [{"status": "pending"}, {"status": "paused"}]
    assert values(tmp_path, content, status="left") == [{"status": "left"}, {"status": "left"}]


MAILMAN = """\
# members of improvers@lists.example.org

Jo Bloggs <jo@example.org>
"Bloggs, Kim" <kim@example.org>
ana@example.org
=?utf-8?q?Si=C3=A2n_Rees?= <sian@example.org>
        max@example.org (Max Power)
lu at example.org
(off at example.org)
not an address
"""


def test_mailman_lists_are_understood(tmp_path: Path):
    found = entries(tmp_path, MAILMAN, "members.txt")
    assert [(e.line, e.address.display, dict(e.values)) for e in found[:-1]] == [
        (3, "jo@example.org", {"name": "Jo Bloggs"}),
        (4, "kim@example.org", {"name": "Bloggs, Kim"}),
        (5, "ana@example.org", {}),
        (6, "sian@example.org", {"name": "Siân Rees"}),
        (7, "max@example.org", {"name": "Max Power"}),
        (8, "lu@example.org", {}),
        (9, "off@example.org", {"status": "paused"}),
    ]
    assert found[-1].startswith("address: ")


def test_a_header_break_hidden_in_an_encoded_name_is_rejected(tmp_path: Path):
    (found,) = entries(tmp_path, "=?utf-8?q?Jo=0ABcc=3A_x?= <jo@example.org>\n")
    assert found == "address: holds a line break; put the name on one line"


def test_an_endless_line_in_a_list_is_rejected_and_the_rest_goes_on(tmp_path: Path):
    found = entries(tmp_path, f"jo@example.org\n{'x' * 3_000_000}\nkim@example.org\n")
    assert found[1] == "the line is too long for an address"
    assert [e.line for e in (found[0], found[2])] == [1, 3]
