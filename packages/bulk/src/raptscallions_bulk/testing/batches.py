"""`BatchGateway`: a host that takes batches in three dialects, and keeps books of what it billed."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Literal

from raptscallions_bulk.testing.billing import BillingGateway, response

__all__ = ["BatchGateway"]


class BatchGateway(BillingGateway):
    """A `BillingGateway` that takes batches as OpenRouter, OpenAI and Anthropic do, at half the price.

    Args:
        kind: Whose dialect it speaks.
        looks: How often it must be looked at until a batch is over.
        takes: Returns what becomes of the next submission, by its number from 1: `answer` it, `refuse` it with 503, or
            `forget` to answer: the batch is taken, and the connection is closed; or `drop` it: it is not taken either.
        skips: Returns whether a prompt is not asked before its batch is over.
        fails: Returns whether a prompt is answered with an error, unbilled.
        answer: The text of an answer, by the prompt.

    Attributes:
        batches: How many it has taken.
        billed: How often each prompt was billed.
        cost: USD that were billed.
    """

    def __init__(
        self,
        kind: Literal["openrouter", "openai", "anthropic"] = "openrouter",
        *,
        looks: int = 1,
        takes: Callable[[int], str] = lambda number: "answer",
        skips: Callable[[str], bool] = lambda prompt: False,
        fails: Callable[[str], bool] = lambda prompt: False,
        answer: Callable[[str], str] = lambda prompt: f"answer to {prompt}",
    ) -> None:
        super().__init__(answer=answer)
        self._kind, self._looks, self._takes, self._skips, self._fails = kind, looks, takes, skips, fails
        self._files: dict[str, bytes] = {}
        self._batches: dict[str, dict[str, Any]] = {}
        self._seen: Counter[str] = Counter()
        self._submissions = 0

    @property
    def base_url(self) -> str:
        """The base URL, once it is started, as a client of this kind wants it."""
        url = super().base_url.removesuffix("/api/v1")
        return url + {"openrouter": "/api/v1", "openai": "/v1", "anthropic": ""}[self._kind]

    @property
    def batches(self) -> int:
        """How many batches it has taken."""
        return len(self._batches)

    async def _respond(self, method: str, path: str, headers: dict[str, str], body: bytes) -> bytes:
        place, _, _ = path.partition("?")
        known = re.fullmatch(r".*/(files|batches)(?:/([\w-]+))?(/results|/content)?", place)
        if known is None or headers.get("authorization") != f"Bearer {self.api_key}":
            return await super()._respond(method, path, headers, body)
        what, name, part = known.groups()
        if what == "files":
            return self._file(method, name, body)
        if method == "POST":
            return self._submit(body)
        if name is None:
            self._seen.update(self._batches.keys())
            newest = [self._told(one, with_results=False) for one in reversed(self._batches.values())]
            return response(200, {"data": newest, "has_more": False})
        if name not in self._batches:
            return response(404, {"error": {"message": "no such batch"}})
        if part == "/results" and self._kind == "openrouter":
            return response(200, {"data": self._batches[name]["lines"], "next_cursor": None})
        if part == "/results":
            lines = [json.dumps(line) for line in self._batches[name]["lines"]]
            return response(200, "\n".join(lines).encode())
        self._seen[name] += 1
        return response(200, self._told(self._batches[name], with_results=True))

    def _file(self, method: str, name: str | None, body: bytes) -> bytes:
        if method == "GET":
            return response(200, self._files[name or ""])
        content = body.split(b"\r\n\r\n")[2].partition(b"\r\n--")[0]
        new = f"file-{len(self._files) + 1}"
        self._files[new] = content
        return response(200, {"id": new, "object": "file", "purpose": "batch"})

    def _submit(self, body: bytes) -> bytes:
        self._submissions += 1
        becomes = self._takes(self._submissions)
        if becomes == "drop":
            raise ConnectionError
        if becomes == "refuse":
            return response(503, {"error": {"message": "overloaded"}})
        asked: dict[str, Any] = json.loads(body)
        requests: list[dict[str, Any]] | None = asked.get("requests")
        if requests is None:
            requests = [json.loads(line) for line in self._files[asked["input_file_id"]].splitlines()]
        elif self._kind == "openrouter" and list(asked).index("requests") < 2:
            return response(400, {"error": {"message": "endpoint and model must come before requests"}})
        metadata: dict[str, Any] = asked.get("metadata") or {}
        batch: dict[str, Any] = {
            "id": f"batch-{len(self._batches) + 1}",
            "created_at": time.time(),
            "label": metadata.get("label"),
            "lines": [self._line(one["custom_id"], one.get("body") or one["params"]) for one in requests],
        }
        self._batches[batch["id"]] = batch
        if becomes == "forget":
            raise ConnectionError
        return response(202, self._told(batch, with_results=False))

    def _line(self, custom_id: str, asked: dict[str, Any]) -> dict[str, Any]:
        content = asked["messages"][-1]["content"]
        prompt = content if isinstance(content, str) else content[0]["text"]
        if self._skips(prompt):
            if self._kind == "anthropic":
                return {"custom_id": custom_id, "result": {"type": "expired"}}
            return {"custom_id": custom_id, "response": None, "error": {"code": "batch_expired", "message": "too late"}}
        if self._fails(prompt):
            error = {"type": "invalid_request_error", "code": "invalid_request_error", "message": "It failed"}
            if self._kind == "anthropic":
                told = {"type": "error", "error": error}
                return {"custom_id": custom_id, "result": {"type": "errored", "error": told}}
            return {"custom_id": custom_id, "response": {"status_code": 400, "body": {"error": error}}, "error": None}
        document = self.bill(prompt)
        if self._kind == "anthropic":
            text = document["choices"][0]["message"]["content"]
            usage = document["usage"]
            message = {
                "id": document["id"],
                "type": "message",
                "role": "assistant",
                "model": document["model"],
                "content": [{"type": "text", "text": text}],
                "stop_reason": "end_turn",
                "usage": {"input_tokens": usage["prompt_tokens"], "output_tokens": usage["completion_tokens"]},
            }
            return {"custom_id": custom_id, "result": {"type": "succeeded", "message": message}}
        return {"custom_id": custom_id, "response": {"status_code": 200, "body": document}, "error": None}

    def bill(self, prompt: str) -> dict[str, Any]:
        """Answer a prompt, and put half of what it would cost into the books."""
        answer = self._answer(prompt)
        cost = self.price_of(prompt, answer) / 2
        self.billed[prompt] += 1
        self.cost += cost
        return self.document(prompt, answer, cost)

    def _told(self, batch: dict[str, Any], *, with_results: bool) -> dict[str, Any]:
        is_over = self._seen[batch["id"]] >= self._looks
        count = len(batch["lines"])
        if self._kind == "anthropic":
            counts = {"processing": 0 if is_over else count, "succeeded": count if is_over else 0}
            return {
                "id": batch["id"],
                "type": "message_batch",
                "processing_status": "ended" if is_over else "in_progress",
                "created_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(batch["created_at"])),
                "request_counts": counts,
            }
        told: dict[str, Any] = {
            "id": batch["id"],
            "object": "batch",
            "status": "completed" if is_over else "in_progress",
            "created_at": int(batch["created_at"]),
            "request_counts": {"total": count},
        }
        if self._kind == "openai":
            told["metadata"] = {"label": batch["label"]}
            if is_over:
                told["output_file_id"] = f"output-{batch['id']}"
                self._files[told["output_file_id"]] = "\n".join(map(json.dumps, batch["lines"])).encode()
        elif is_over and with_results:
            told["results"] = batch["lines"]
        return told
