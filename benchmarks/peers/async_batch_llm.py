"""What a row costs in async-batch-llm, whose strategy answers at once and whose results go into its own file."""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import sys
import tempfile
from pathlib import Path

sys.path.remove(str(Path(__file__).resolve().parent))  # this file has the library's own name

from async_batch_llm import ArtifactIdentity, JsonlArtifactStore, process_prompts
from async_batch_llm.testing import FakeStrategy


def cpu() -> float:
    """Seconds of CPU of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def main(count: int) -> None:
    """Run so many rows, and print what each took."""
    identity = ArtifactIdentity(provider="fake", model="fake")
    with tempfile.TemporaryDirectory() as place:
        store = JsonlArtifactStore(Path(place) / "rows.jsonl", identity=identity)
        prompts = [f"What is there to say of number {number}?" for number in range(count)]
        before = cpu()
        await process_prompts(FakeStrategy("a short answer"), prompts, concurrency=64, artifact_store=store)
        print(json.dumps({"us_a_row": (cpu() - before) / count * 1e6}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--part")
    parser.add_argument("--rows", type=int)
    asyncio.run(main(parser.parse_args().rows))
