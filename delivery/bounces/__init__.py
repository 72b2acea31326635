"""Reading what comes back: `classify` tells bounces, complaints and automatic replies from ordinary mail."""

from delivery.bounces.classify import Classified, Kind, Recipient, classify
from delivery.bounces.fate import Fate

__all__ = ["Classified", "Fate", "Kind", "Recipient", "classify"]
