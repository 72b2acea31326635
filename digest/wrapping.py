"""Plain text in lines of a readable width."""

import re

WIDTH = 72
"""Characters of a line: room to be quoted in a reply (RFC 3676 4.2). A longer word, such as an address, stays whole."""

_WORD = re.compile(r"[^ \t\n]+")


def wrap(text: str, width: int = WIDTH, indent: str = "") -> str:
    r"""Lines joined with `\n`, each starting with `indent`; a no-break space separates nothing."""
    lines: list[str] = []
    line = ""
    for word in _WORD.findall(text):
        if not line:
            line = word
        elif len(indent) + len(line) + 1 + len(word) <= width:
            line = f"{line} {word}"
        else:
            lines.append(indent + line)
            line = word
    return "\n".join([*lines, indent + line] if line else lines)
