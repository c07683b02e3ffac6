"""The example notebook, executed by a real kernel against the fake gateway, and stored without outputs."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import nbformat
import pytest
from nbclient import NotebookClient

from raptscallions_ai import ToolCall
from raptscallions_ai.testing import FakeGateway, usage

pytestmark = pytest.mark.requirement("E04-T005.AC13")

NOTEBOOK = Path(__file__).resolve().parents[1] / "examples" / "notebook.ipynb"
FRUITS = {"value": [{"name": "banana", "color": "yellow"}, {"name": "plum", "color": "blue"}]}
CALLS = [ToolCall(f"call_{city}", "temperature", json.dumps({"city": city})) for city in ("Paris", "Rome")]


def printed(notebook: Any) -> list[str]:
    """Return what each code cell printed; anything else that it shows, such as a warning, is a failure."""
    texts: list[str] = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert {(output.output_type, output.get("name")) for output in cell.outputs} <= {("stream", "stdout")}
            texts.append("".join(output.text for output in cell.outputs))
    return texts


async def test_every_cell_does_what_the_text_says(
    fake_gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in list(os.environ):
        if name.startswith(("AI_", "OPENAI_", "OPENROUTER_", "JUPYTER", "IPYTHON")):
            monkeypatch.delenv(name)
    for name, value in {
        "AI_GATEWAY_URL": fake_gateway.base_url,
        "AI_API_KEY": fake_gateway.api_key,
        "AI_DEFAULT_MODEL": fake_gateway.model,
        "IPYTHONDIR": str(tmp_path / "ipython"),
        "JUPYTER_CONFIG_DIR": str(tmp_path / "config"),
        "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"),
        "PYTHONWARNINGS": "error::ResourceWarning",
    }.items():
        monkeypatch.setenv(name, value)
    fake_gateway.stream("Sunlight ", "scatters.").stream("It ", "is red.")
    fake_gateway.stream(tool_calls=CALLS).stream("Yes, it is.")
    fake_gateway.stream(json.dumps(FRUITS)).stream("Plum.", usage=usage(10, 2, cost=0.25), times=2)

    read = cast("Callable[..., Any]", nbformat.reads)  # pyright: ignore[reportUnknownMemberType] - it has no types
    notebook = read(NOTEBOOK.read_text("utf-8"), as_version=4)
    await NotebookClient(notebook, timeout=60, resources={"metadata": {"path": str(tmp_path)}}).async_execute()

    assert printed(notebook) == [
        "Sunlight scatters.\n12 tokens, 0.00015 USD\n",
        "It is red.",
        "temperature {'city': 'Paris'} -> 12 degrees\ntemperature {'city': 'Rome'} -> 19 degrees\nYes, it is.",
        "banana     yellow\nplum       blue\n",
        "2 calls, 24 tokens, 0.50 USD\n",
        "",
    ]
    assert len(fake_gateway.requests) == 7


def test_it_is_stored_without_outputs_and_without_traces_of_a_machine() -> None:
    stored = json.loads(NOTEBOOK.read_text("utf-8"))
    assert stored["metadata"] == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    cells = [cell for cell in stored["cells"] if cell["cell_type"] == "code"]
    assert [(cell["execution_count"], cell["outputs"], cell["metadata"]) for cell in cells] == [(None, [], {})] * 6
