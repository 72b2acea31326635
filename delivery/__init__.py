"""Getting a message out, and reading what comes back."""
