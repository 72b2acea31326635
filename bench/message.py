"""Assembly and signing of one message of about 30 KB, beside what nobody can do without: sha256 and the RSA-2048 signature."""

from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from time import thread_time

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256

from bench import synthetic
from digest.message import DigestPress, Entry, Masthead, Recipient
from digest.signing import DkimKey
from jobs.press import mail_environment

NOW = datetime(2026, 11, 16, 7, 30, tzinfo=UTC)
DOMAIN = "bench.example.org"
ITEMS = 8
EACH = 5
"""Calls of one way before the next has its turn."""

MASTHEAD = Masthead(
    network_name="Bench", network_slug="bench", sender_name="Bench", sender_address=f"digest@{DOMAIN}",
    reply_to=f"office@{DOMAIN}", postal_address="1 Bench Street", list_id=DOMAIN, language="en", time_zone="Europe/London",
    edition_id="edition000000000", slot="2026-W47", base_url=f"https://{DOMAIN}",
)  # fmt: skip
MEMBER = Recipient("ann@example.org", "Ann Example", "en", "l" * 42, "p" * 42)


def main(rounds: int = 300) -> dict[str, float]:
    """Microseconds of processor time of each way at its best, as timeit advises: what is more comes from other processes.

    The ways take turns, so that a machine that grows faster or slower does so for all of them.
    """
    rsa = generate_private_key(65537, 2048)
    keys = (DkimKey(DOMAIN, "b-rsa", rsa), DkimKey(DOMAIN, "b-ed25519", Ed25519PrivateKey.generate()))
    terms = (("pulmonary rehabilitation", "stated"), ("home oxygen", "stated"))
    entries = [Entry(item, 50.0, terms, "f" * 58) for item in synthetic.items(ITEMS, NOW)]
    padding, algorithm = PKCS1v15(), SHA256()

    def way(*signing: DkimKey) -> Callable[[], bytes]:
        press = DigestPress(mail_environment(), MASTHEAD, {}, signing)
        return lambda: press.message(MEMBER, entries, "<edition.member@bench.example.org>", NOW)

    ways = {"unsigned": way(), "rsa": way(keys[0]), "both": way(*keys)}
    message = ways["unsigned"]()
    head = message[:1500]
    ways["limit"] = lambda: sha256(message).digest() + rsa.sign(head, padding, algorithm)
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, act in ways.items():
            started = thread_time()
            for _ in range(EACH):
                act()
            times[name].append((thread_time() - started) / EACH)
    found = {f"{name}_us": min(values) * 1e6 for name, values in times.items()}
    return found | {
        "message_bytes": len(message),
        "rsa_ratio": found["rsa_us"] / found["limit_us"],
        "both_ratio": found["both_us"] / found["limit_us"],
    }


if __name__ == "__main__":
    for name, value in main().items():
        print(f"{name:16} {value:10.2f}")
