"""WHAT: text, terms, vectors, scores, selection, digest, message. Pure and columnar: no clock, no input or output."""
