import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import given
from hypothesis import strategies as st

from profiles.address import Address, erased_key, normalise, split_name


def test_the_case_of_an_address_makes_no_difference_to_its_key():
    assert normalise("Jo.Bloggs@Example.ORG") == Address("Jo.Bloggs@example.org", "jo.bloggs@example.org")


def test_spaces_around_an_address_are_taken_off():
    assert normalise("  jo@example.org\t").display == "jo@example.org"


def test_plus_tags_and_dots_make_different_people():
    keys = {normalise(a).key for a in ("jo@example.org", "jo+news@example.org", "j.o@example.org")}
    assert len(keys) == 3


def test_an_internationalised_domain_is_one_with_its_ascii_form():
    spelt = {normalise(a).key for a in ("jo@bücher.example", "jo@BÜCHER.example", "jo@bu\u0308cher.example")}
    assert spelt == {normalise("jo@xn--bcher-kva.example").key}
    assert normalise("jo@bücher.example").display == "jo@xn--bcher-kva.example"


def test_a_local_part_beyond_ascii_is_kept_and_folded_in_the_key_only():
    assert normalise("Zoë@example.org") == Address("Zoë@example.org", "zoë@example.org")
    assert normalise("ZOE\u0308@example.org").key == "zoë@example.org"


@pytest.mark.parametrize("domain", ["example.org", "trust.example", "ward.test", "test"])
def test_domains_reserved_for_trials_are_accepted(domain: str):
    assert normalise(f"jo@{domain}").display == f"jo@{domain}"


NO_ADDRESSES = (
    """
jo|jo@|@example.org|jo@nodot|jo smith@example.org|jo@exa mple.org|jo..b@example.org|jo@-a.org|jo@localhost|jo@x.invalid
a@b@example.org|"jo"@example.org|jo@[127.0.0.1]|jo@example.org,kim@example.org|jo@example.org;kim@example.org
""".strip()
    .replace("\n", "|")
    .split("|")
)
TOO_LONG = ("x" * 65 + "@example.org", "x" * 60 + "@" + "y" * 60 + ".example" * 30)
HOSTILE = ("jo@example.org\nBcc: x@example.org", "jo\0@example.org", "jo\u202e@example.org")


@pytest.mark.parametrize("address", ["", *NO_ADDRESSES, *TOO_LONG, *HOSTILE])
def test_what_is_no_address_is_refused_with_a_message(address: str):
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        normalise(address)


@given(st.emails())
def test_an_address_is_accepted_exactly_when_the_validator_accepts_it(address: str):
    try:
        wanted = validate_email(address, check_deliverability=False, test_environment=True, strict=True)
    except EmailNotValidError:
        with pytest.raises(ValueError, match=r"@-sign|address"):
            normalise(address)
    else:
        assert normalise(address).display == f"{wanted.local_part}@{wanted.ascii_domain}"


@given(st.emails(domains=st.just("example.org")))
def test_normalising_twice_changes_nothing(address: str):
    try:
        once = normalise(address)
    except ValueError:
        return
    assert normalise(once.display) == once
    assert normalise(once.key).key == once.key


def test_an_erased_key_needs_the_secret_and_hides_the_address():
    key = erased_key("jo@example.org", b"one secret")
    assert key == erased_key("jo@example.org", b"one secret")
    assert key != erased_key("jo@example.org", b"another secret")
    assert "jo" not in key
    assert len(key) == len("erased:") + 64


@pytest.mark.parametrize(
    ("text", "name", "address"),
    [
        ("jo@example.org", "", "jo@example.org"),
        (" jo@example.org ", "", "jo@example.org"),
        ("Jo Bloggs <jo@example.org>", "Jo Bloggs", "jo@example.org"),
        ('"Bloggs, Jo" <jo@example.org>', "Bloggs, Jo", "jo@example.org"),
        (r'"Jo \"JB\" Bloggs" <jo@example.org>', 'Jo "JB" Bloggs', "jo@example.org"),
        ("<jo@example.org>", "", "jo@example.org"),
        ("jo@example.org (Jo Bloggs)", "Jo Bloggs", "jo@example.org"),
        ("=?utf-8?b?Wm/DqyBKb25lcw==?= <zoe@example.org>", "Zoë Jones", "zoe@example.org"),
        ("=?utf-8?q?Si=C3=A2n?= Rees <s@example.org>", "Siân Rees", "s@example.org"),
        ("=?no-such-charset?q?x?= <s@example.org>", "=?no-such-charset?q?x?=", "s@example.org"),
    ],
)
def test_a_name_is_told_from_the_address(text: str, name: str, address: str):
    assert split_name(text) == (name, address)
