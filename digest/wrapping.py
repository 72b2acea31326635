"""Plain text in lines of a readable width."""

WIDTH = 72
"""Characters of a line: room to be quoted in a reply (RFC 3676 4.2). A longer word, such as an address, stays whole."""


def wrap(text: str, width: int = WIDTH, indent: str = "") -> str:
    r"""Lines joined with `\n`, each starting with `indent`; white space of every kind separates words."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        if not line:
            line = word
        elif len(indent) + len(line) + 1 + len(word) <= width:
            line = f"{line} {word}"
        else:
            lines.append(indent + line)
            line = word
    return "\n".join([*lines, indent + line] if line else lines)
