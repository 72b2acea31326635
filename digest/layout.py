"""The templates of the digest, checked before anything is composed, and their style sheet put into the elements."""

import re
from collections.abc import Iterable
from typing import Any

import css_inline
import jinja2
from jinja2 import meta, nodes

from digest.wrapping import wrap

FRAME, SECTION, CARD, NETWORK, QUESTION = (
    "digest", "digest.section", "digest.card", "digest.network", "digest.question",
)  # fmt: skip
SUBJECT = "email/digest.subject.txt"
STYLE_SHEET = "email/digest.css"

WORDS = frozenset({"_", "ngettext", "masthead", "language", "direction"})
"""What every template is given: the words of the mail's language, and what all mails of the edition share."""
VALUES: dict[str, frozenset[str]] = {
    FRAME: WORDS | {"subject", "lead", "body", "leave_url", "preferences_url"},
    SECTION: WORDS | {"kind", "heading"},
    CARD: WORDS | {"card", "why", "feedback_url"},
    NETWORK: WORDS | {"network_name", "preferences_url", "leave_url"},
    QUESTION: WORDS | {"keep_url"},
    "digest.subject": WORDS | {"subject"},
}

_INDENT = re.compile(r"\n\s+")


class TemplateError(ValueError):
    """A template that cannot be used. The message names its file and line."""


class Layout:
    """The digest's templates by name and part.

    Raises TemplateError at once for a missing file, an error in one, or a name that it will not be given.
    """

    def __init__(self, environment: jinja2.Environment) -> None:
        self._environment = environment.overlay(
            autoescape=jinja2.select_autoescape(("html",)),
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        self._environment.filters = environment.filters | {"wrap": wrap}
        self._templates = {name: self._checked(name) for name in _names()}
        self._style_sheet = self._source(STYLE_SHEET)[0]
        self._inliner = css_inline.CSSInliner(load_remote_stylesheets=False, extra_css=self._style_sheet)

    def subject(self, **values: Any) -> str:
        return self._render(SUBJECT, values)

    def text(self, name: str, **values: Any) -> str:
        """A part of the plain text, its lines ended by a line feed."""
        return self._render(_name(name, "txt"), values)

    def page(self, **values: Any) -> str:
        """The whole html document, styled."""
        return _INDENT.sub("\n", self._inliner.inline(self._render(_name(FRAME, "html"), values)))

    def fragment(self, name: str, **values: Any) -> str:
        """A piece of the html body, styled."""
        html = self._render(_name(name, "html"), values)
        return _INDENT.sub("\n", self._inliner.inline_fragment(html, self._style_sheet))

    def markup(self, name: str, **values: Any) -> str:
        """A piece of the html body before it is styled."""
        return self._render(_name(name, "html"), values)

    def _render(self, name: str, values: dict[str, Any]) -> str:
        template = self._templates[name]
        try:
            return template.render(values)
        except jinja2.TemplateSyntaxError as error:
            raise _syntax_error(error, name) from error
        except Exception as error:
            raise TemplateError(f"{_place(template, error)}: {error}") from error

    def _checked(self, name: str) -> jinja2.Template:
        source, filename = self._source(name)
        try:
            tree = self._environment.parse(source, name, filename)
            template = self._environment.get_template(name)
        except jinja2.TemplateSyntaxError as error:
            raise _syntax_error(error, filename) from error
        unknown = meta.find_undeclared_variables(tree) - VALUES[_kind(name)]
        for node in tree.find_all(nodes.Name):
            if node.name in unknown:
                known = ", ".join(sorted(VALUES[_kind(name)]))
                raise TemplateError(
                    f"{filename}, line {node.lineno}: {node.name!r} is not known here; there are: {known}"
                )
        return template

    def _source(self, name: str) -> tuple[str, str]:
        assert self._environment.loader is not None
        try:
            source, filename, _ = self._environment.loader.get_source(self._environment, name)
        except jinja2.TemplateNotFound as error:
            raise TemplateError(f"{name}: there is no such template") from error
        return source, filename or name


def _names() -> Iterable[str]:
    yield SUBJECT
    for name in (FRAME, SECTION, CARD, NETWORK, QUESTION):
        yield from (_name(name, "txt"), _name(name, "html"))


def _name(name: str, part: str) -> str:
    return f"email/{name}.{part}"


def _kind(name: str) -> str:
    return name.removeprefix("email/").rpartition(".")[0]


def _syntax_error(error: jinja2.TemplateSyntaxError, name: str) -> TemplateError:
    return TemplateError(f"{error.filename or name}, line {error.lineno}: {error.message}")


def _place(template: jinja2.Template, error: Exception) -> str:
    """File and line of the innermost template that was being rendered; Jinja2 puts them into the traceback."""
    line = 0
    traceback = error.__traceback__
    while traceback:
        if traceback.tb_frame.f_code.co_filename == template.filename:
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    file = template.name if template.filename in {None, "<template>"} else template.filename
    return f"{file}, line {line}"
