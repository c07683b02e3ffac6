"""An answer on its way to the terminal, and the line that sums it up."""

from __future__ import annotations

from decimal import Context, Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from raptscallions_ai.answer.result import ChatResult
    from raptscallions_ai.answer.stream import ChatStream
    from raptscallions_ai.cli.output import Console
    from raptscallions_ai.cli.run import Run

__all__ = ["dollars", "show", "usage_line"]


async def show(stream: ChatStream, run: Run) -> ChatResult:
    """Write an answer to stdout while it arrives, as text or as JSON lines, and return the whole of it.

    Raises:
        AiError: The call failed; what had arrived has been written.
        BrokenPipeError: Nobody reads stdout any more; the answer was stopped.
    """
    async with stream:
        if run.json:
            return await _show_json(stream, run.console)
        return await _show_text(stream, run.console)


async def _show_text(stream: ChatStream, console: Console) -> ChatResult:
    async for chunk in stream:
        if chunk.type == "content":
            console.text(chunk.content)
        elif chunk.type == "reasoning":
            console.reasoning(chunk.content)
        elif chunk.type == "restarted":
            if not console.is_read_by_a_person:
                raise chunk.error  # a pipe has no way to take back the text so far
            console.note(f"{chunk.error.message}; the answer starts again:")
    console.end_line()
    return await stream.result()


async def _show_json(stream: ChatStream, console: Console) -> ChatResult:
    from raptscallions_ai.cli.json_lines import chunk_object, json_text

    async for chunk in stream:
        console.line(json_text(chunk_object(chunk)))
    return await stream.result()


def usage_line(result: ChatResult, *, is_local: bool) -> str:
    """Return model, tokens, cost, time to first token and speed in one line, and what else there is to know.

    Args:
        result: The answer.
        is_local: Whether the local model gave it, which costs nothing.
    """
    usage = result.usage
    facts = [
        result.model,
        f"{usage.prompt_tokens} + {usage.completion_tokens} tokens" if usage.reported else "tokens not reported",
        "free" if is_local else "cost not reported" if usage.cost is None else dollars(usage.cost),
    ]
    if result.time_to_first_chunk is not None:
        facts.append(f"first token after {result.time_to_first_chunk:.2f} s")
    if (speed := _tokens_per_second(result)) is not None:
        facts.append(f"{speed:.1f} tokens/s")
    return " ".join(" | ".join(facts + _remarks(result)).split())


def dollars(amount: Decimal) -> str:
    """Return an amount of USD with six significant digits, and at least two decimals."""
    whole, _, fraction = format(amount.normalize(Context(prec=6)), "f").partition(".")
    return f"${whole}.{fraction:0<2}"


def _tokens_per_second(result: ChatResult) -> float | None:
    """Return how fast tokens came, as the engine or else we measured it; None if all came at once."""
    if result.tokens_per_second is not None:
        return result.tokens_per_second
    first, total, usage = result.time_to_first_chunk, result.duration, result.usage
    # Reasoning that was not sent was over before the first token arrived.
    tokens = usage.completion_tokens - (0 if result.reasoning else usage.reasoning_tokens)
    if first is None or total is None or total - first < 0.001 or tokens < 2:
        return None
    return (tokens - 1) / (total - first)


def _remarks(result: ChatResult) -> list[str]:
    remarks: list[str] = []
    if result.finish_reason == "length":
        remarks.append("cut off at the token limit (--max-tokens)")
    elif result.finish_reason not in ("stop", None):
        remarks.append(f"finish reason: {result.finish_reason}")
    if result.refusal:
        remarks.append(f"refused: {result.refusal}")
    elif not result.content:
        remarks.append("no text")
    unseen = {"tool call": result.tool_calls, "image": result.images, "citation": result.annotations}
    counts = [f"{len(some)} {name}{'s' if len(some) > 1 else ''}" for name, some in unseen.items() if some]
    return remarks + ([f"{', '.join(counts)} not shown (--json does)"] if counts else [])
