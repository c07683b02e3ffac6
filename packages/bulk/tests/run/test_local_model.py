"""A run against a real model on this machine, from its first row to the exported file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel

from raptscallions_ai import OpenRouterClient
from raptscallions_ai.local import LocalGateway
from raptscallions_bulk import BulkRun


class Answer(BaseModel):
    label: Literal["fruit", "animal"]


@pytest.mark.long
@pytest.mark.requirement("E06-T002.AC10")
async def test_a_real_model_answers_each_row_with_an_object_that_fits(tmp_path: Path) -> None:
    rows = [{"id": name, "text": name} for name in ("apple", "horse", "pear", "apple", "cat")]
    async with (
        LocalGateway(progress=False) as gateway,
        OpenRouterClient(gateway.api_key, gateway.base_url, gateway.model) as client,
    ):
        options = {"max_tokens": 30, "temperature": 0}
        run = BulkRun(
            client,
            rows,
            tmp_path / "run",
            ask="Is this a fruit or an animal? {text}",
            answer_as=Answer,
            options=options,
        )
        report = await run
    assert (report.answered, report.duplicates, report.in_doubt) == (5, 1, ())
    assert report.completion_tokens > 0
    assert run.export(tmp_path / "labelled.jsonl") == 5
    labels = [json.loads(line)["label"] for line in (tmp_path / "labelled.jsonl").read_text().splitlines()]
    assert set(labels) <= {"fruit", "animal"} and labels[0] == labels[3]
