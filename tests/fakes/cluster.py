"""A real Ray cluster on this machine: three nodes, each with a GPU by name only."""

from collections.abc import Iterator
from typing import Any

import pytest

#: What is handed over is small.
NODE = {"num_cpus": 1, "num_gpus": 1, "object_store_memory": 80 * 2**20}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A `ray.cluster_utils.Cluster`; its address is `cluster.address`."""
    import ray
    from ray.cluster_utils import Cluster

    cluster: Any = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
    for _ in range(2):
        cluster.add_node(**NODE)
    yield cluster
    ray.shutdown()
    cluster.shutdown()
