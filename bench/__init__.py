"""Yardsticks: the production code measured against named peers and limits."""
