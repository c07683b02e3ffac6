"""A run on three simulated nodes of Ray, one of which is killed, and then the journal; writes what the books say.

Run by `test_on_ray.py`, in an environment of its own.
"""

import json
import sys
import threading
import time
from pathlib import Path

import ray
from ray.cluster_utils import Cluster

from raptscallions_ai import OpenRouterClient
from raptscallions_bulk.ray import Asking, ask_dataset, run_on_ray
from raptscallions_bulk.rows.sources import open_source
from raptscallions_bulk.testing import BillingGateway

ROWS = 1000


class MakeClient:
    """Makes a client of the gateway, in whatever process."""

    def __init__(self, url: str) -> None:
        self.url = url

    def __call__(self) -> OpenRouterClient:
        return OpenRouterClient("sk-fake-billing", self.url, "fake/billed")


def main(folder: Path, way: str) -> None:
    gateway = BillingGateway(caches=True, latency=(0.2, 0.6))
    gateway.__enter__()
    memory = 80 * 2**20
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "object_store_memory": memory})
    nodes = [cluster.add_node(num_cpus=2, object_store_memory=memory) for _ in range(2)]
    ray.init(address=cluster.address, log_to_driver=False)

    def kill() -> None:
        while gateway.billed.total() < ROWS // 5:
            time.sleep(0.05)
        cluster.remove_node(nodes[0], allow_graceful=False)
        while gateway.billed.total() < ROWS // 2:
            time.sleep(0.05)
        ray.kill(ray.get_actor(f"raptscallions-bulk:{folder.resolve()}"), no_restart=False)

    threading.Thread(target=kill, daemon=True).start()
    rows = [{"id": f"r{number}", "text": f"row {number}"} for number in range(ROWS)]
    how = {"client": MakeClient(gateway.base_url), "key": "id", "options": {"max_tokens": 50}, "timeout": 4.0}
    if way == "run":
        report = run_on_ray(open_source(rows), folder, Asking(**how, max_open=16))
        answered, doubtful = report.answered, len(report.in_doubt)
    else:
        dataset = ray.data.from_items(rows, override_num_blocks=16)
        ask_dataset(dataset, folder, **how, max_open=16).write_json(str(folder.parent / "labelled"))
        files = (folder.parent / "labelled").glob("*.json")
        told = [json.loads(line) for file in files for line in file.read_text().splitlines()]
        answered = len({row["id"] for row in told if row["answer"] == f"answer to {row['text']}"})
        doubtful = sum(row["status"] == "in doubt" for row in told)
    found = {"answered": answered, "doubtful": doubtful, "paid_twice": gateway.paid_twice}
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()
    ray.shutdown()
    cluster.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
