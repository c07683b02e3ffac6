"""How Sphinx makes a site of this folder (`dev.py docs`): guides of Markdown, a reference of docstrings."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pygments.lexers.data import JsonLexer
from pygments.lexers.shell import BashLexer
from pygments.lexers.special import TextLexer
from sphinx import addnodes

from raptscallions_ai import AiError, ChatResult, DoneChunk, Usage, __version__

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.application import Sphinx

HERE = Path(__file__).parent
NAMED = re.compile(r"(?<!`)`([^`]+)`(?!`)(\w?)")
# The builtin `type`, which several classes have as an attribute; `Outcome`, of which each test kit has its own.
AMBIGUOUS = frozenset({"type", "Outcome"})
LINK = re.compile(r"\[([^\]]*)\]\((\.\.?/[^)#\s]+)\)")

# msgspec looks up the annotations of its structs, which their module imports for type checkers only.
vars(sys.modules[DoneChunk.__module__]).update(AiError=AiError, ChatResult=ChatResult, Usage=Usage)

project = "raptscallions-ai"
version = release = __version__
extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "myst_parser"]
# It is a part of index.md.
exclude_patterns = ["README.md"]

html_theme = "furo"
html_title = f"raptscallions-ai {__version__}"
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False

# Docstrings name things in single backticks; what has a page of its own becomes a link.
default_role = "py:obj"
add_module_names = False
python_maximum_signature_line_length = 100
autodoc_default_options = {"members": True, "member-order": "bysource", "no-value": True}
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
napoleon_use_ivar = True  # fields of a dataclass are listed under it, and not once more one by one

myst_heading_anchors = 3


def _without_links_to_the_repository(app: Sphinx, document: str, source: list[str]) -> None:
    """Turn links to files outside this folder into plain text; that they exist, the tests check."""
    folder = (HERE / document).parent

    def inside(link: re.Match[str]) -> str:
        return link[0] if (folder / link[2]).resolve().is_relative_to(HERE) else link[1]

    source[0] = LINK.sub(inside, source[0])


def _prose(app: Sphinx, what: str, name: str, value: object, options: object, lines: list[str]) -> None:
    """Make reST of docstrings whose only markup are backticks and sections."""

    def marked(match: re.Match[str]) -> str:
        # An escaped space, which is none, ends the markup before the s of a plural.
        text = f"`{match[1]}`" if re.fullmatch(r"[\w.]+", match[1]) else f"``{match[1]}``"
        return f"{text}\\ {match[2]}" if match[2] else text

    lines[:] = NAMED.sub(marked, "\n".join(lines)).split("\n")
    if what in {"attribute", "data", "property"}:
        # Napoleon takes words before a colon in the first line for a type: so that is an empty comment.
        lines[:0] = ["..", ""]


def _described_where_it_is_defined(
    app: Sphinx, what: str, name: str, value: object, options: object, lines: list[str]
) -> None:
    """Give a type alias or constant the docstring and the definition that its own module has."""
    if what != "data":
        return
    name = name.rpartition(".")[2]
    for module in [module for key, module in sys.modules.items() if key.startswith("raptscallions_ai.")]:
        if vars(module).get(name) is not value:
            continue
        source = inspect.getsource(module)
        body = ast.parse(source).body
        for statement, following in zip(body, [*body[1:], None], strict=True):
            if _target(statement) != name:
                continue
            definition = ast.get_source_segment(source, statement) or ""
            described = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
            text = str(following.value.value) if described else ""  # type: ignore[union-attr]
            lines[:] = [*inspect.cleandoc(text).splitlines(), "", ".. code-block:: python", ""]
            lines += ["   " + line for line in definition.splitlines()]
            return


def _without_ambiguous_links(app: Sphinx, doctree: nodes.document) -> None:
    """Make names in annotations plain text that would lead to any of several things."""
    for link in [*doctree.findall(addnodes.pending_xref)]:
        if link["refdomain"] == "py" and link["reftarget"] in AMBIGUOUS:
            link.replace_self(link.children)


def _target(statement: ast.stmt) -> str | None:
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return name
        case _:
            return None


def setup(app: Sphinx) -> None:
    """Register what Sphinx has no setting for."""
    app.add_lexer("csv", TextLexer)
    app.add_lexer("env", BashLexer)
    app.add_lexer("jsonl", JsonLexer)
    app.connect("doctree-read", _without_ambiguous_links)
    app.connect("source-read", _without_links_to_the_repository)
    app.connect("include-read", lambda app, _, document, text: _without_links_to_the_repository(app, document, text))
    # Both before napoleon, whose priority is 500.
    app.connect("autodoc-process-docstring", _described_where_it_is_defined, priority=100)
    app.connect("autodoc-process-docstring", _prose, priority=200)
