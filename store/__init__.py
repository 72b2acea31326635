"""Rows, queries and migrations. SQLModel rows never leave this room: plain values and arrays do."""
