"""What reach an item would have if an edition opened now: told to its coordinator as soon as it is posted."""

from typing import TYPE_CHECKING, Any

from digest.composition import decided as decide_all
from digest.reach import limits_for
from jobs.deciding import gather_edition, reach_of, stored_shortfall
from jobs.fitting import edition_settings, fit_edition
from jobs.rehearsal import audience, imagined
from jobs.shortfalls import told
from store import editions

if TYPE_CHECKING:
    from digest.items import Item
    from jobs.services import Services
    from store.networks import Network


def expected_shortfall(services: "Services", network: "Network", item: "Item") -> dict[str, Any] | None:
    """The shortfall of an item by itself, as if nothing else were open, in words; None where its reach can be had.

    Members whose mail comes from another network count: that mail brings it to them.
    """
    settings, now = edition_settings(services, network) | {"combine": False}, services.now()
    if not limits_for(item, settings["reach"])[0]:
        return None
    edition = imagined(network, now, settings)
    with services.database.reading() as connection:
        before = editions.latest(connection, network.key, 1)
        model = editions.load_model(connection, before[0].key) if before else None  # fitting anew takes long
    fitted = fit_edition(services, network, settings, [item.key], now, model)
    with services.database.reading() as connection:
        reach = reach_of(connection, settings, fitted, now)
    gathered = gather_edition(services, network, edition, fitted, reach, audience(services, network))
    _, short = decide_all(fitted, gathered.pool, reach)
    return told([item], stored_shortfall(edition, fitted, gathered, short[0])) if short else None
