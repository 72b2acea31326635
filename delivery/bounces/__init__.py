"""Reading what comes back: `classify` tells bounces, complaints and automatic replies from ordinary mail."""

from delivery.bounces.classification import Classified, Kind, Recipient, classify
from delivery.bounces.fate import Fate, is_about_us

__all__ = ["Classified", "Fate", "Kind", "Recipient", "classify", "is_about_us"]
