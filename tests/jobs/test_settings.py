import re
from pathlib import Path

import pytest

from jobs.settings import Section, Settings, SettingsError, load_settings, render_config

ROOT = Path(__file__).parents[2]


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "config.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_the_config_file_of_the_project_holds_every_setting_at_its_default() -> None:
    assert (ROOT / "config.toml").read_text(encoding="utf-8") == render_config()


def test_a_fresh_file_means_the_same_as_no_file(tmp_path: Path) -> None:
    assert load_settings(written(tmp_path, render_config())).model_dump() == Settings().model_dump()


def test_every_setting_has_its_sentence() -> None:
    for section in Settings.model_fields.values():
        if isinstance(section.default, Section):
            for name, field in type(section.default).model_fields.items():
                assert (field.description or "").endswith("."), name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[smtp]\nhots = "mail"', "unknown key 'smtp.hots'; did you mean 'host'?"),
        ("[colour]\nred = 1", "unknown key 'colour'"),
        ("[order]\nfew = 10", "unknown key 'order'; its keys are those of [digest]: take the section out"),
        ('[smtp]\nport = "abc"', "smtp.port = 'abc'"),
        ("[digest]\nitems = 0", "digest.items = 0"),
        ("[matching]\nthreshold = 101", "matching.threshold = 101"),
        ("[matching]\nfloor = 50", "matching.floor = 50 is above matching.threshold = 33"),
        ("[budget]\nasks_per_month = 0", "budget.asks_per_month = 0"),
        ("[budget]\nask_cost = -0.1", "budget.ask_cost = -0.1"),
        ("[budget]\nmails_per_week = 9", "budget.mails_per_week = 9 is above budget.most_mails_per_week = 7"),
        ("[reach]\nneeded_request = 50", "reach.needed_request = 50 is above reach.most_request = 40"),
        ('[smtp]\nsecurity = "rot13"', "smtp.security = 'rot13'"),
        ("[smtp", "not a TOML file"),
        ('[smtp]\npassword = "x"', "password is a secret"),
        ('secret_key = "x"', "secret_key is a secret"),
    ],
)
def test_a_setting_that_cannot_be_used_stops_with_the_file_and_the_key(tmp_path: Path, text: str, message: str) -> None:
    file = written(tmp_path, text)
    with pytest.raises(SettingsError) as stop:
        load_settings(file)
    assert message in str(stop.value)
    assert str(file) in str(stop.value)


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GERMANE_SMTP__PORT", "2525")
    settings = load_settings(written(tmp_path, '[smtp]\nport = 25\nhost = "mail.example.org"'))
    assert (settings.smtp.port, settings.smtp.host) == (2525, "mail.example.org")


def test_a_wrong_environment_variable_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GERMANE_SMTP__PORT", "many")
    with pytest.raises(SettingsError, match="environment variable GERMANE_SMTP__PORT"):
        load_settings(written(tmp_path, ""))
    monkeypatch.delenv("GERMANE_SMTP__PORT")
    monkeypatch.setenv("GERMANE_SMPT__PORT", "25")
    with pytest.raises(SettingsError, match="GERMANE_SMPT__PORT: unknown"):
        load_settings(written(tmp_path, ""))


def test_a_file_that_is_named_must_exist(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no such file"):
        load_settings(tmp_path / "elsewhere.toml")


def test_secrets_do_not_print(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GERMANE_SECRET_KEY", "s3cret-s3cret-s3cret-s3cret-s3cret")
    monkeypatch.setenv("GERMANE_SMTP__PASSWORD", "pa55word")
    settings = load_settings()
    assert "s3cret" not in repr(settings) + settings.model_dump_json()
    assert "pa55word" not in repr(settings) + settings.model_dump_json()


def test_every_section_is_read_by_some_job() -> None:
    code = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "jobs").glob("*.py") if file.stem != "settings")
    unread = [name for name in Settings.model_fields if not re.search(rf"settings\.{name}\b", code)]
    assert unread == []
