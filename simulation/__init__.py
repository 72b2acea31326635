"""A network that does not exist: its members with hidden interests, its items, and who says what of them. Pure."""
