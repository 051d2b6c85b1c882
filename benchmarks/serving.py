"""The whole program as its owner starts it: how fast it starts, how much it takes, how it answers while it paints."""

import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import psutil

from benchmarks.report import Row

CALLERS = 20
#: Seconds between two questions to /healthz.
PACE = 0.01


@contextmanager
def serving() -> Iterator[tuple[httpx.Client, psutil.Process, float]]:
    """A client, the serving process, and the seconds until its first answer."""
    with tempfile.TemporaryDirectory() as folder:
        ours = {"LIMNER_MODEL": "demo", "LIMNER_DATA_DIR": folder, "LIMNER_HTTP_PORT": "0", "LIMNER_API_KEYS": ""}
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "bot", "serve"],
            env={**os.environ, **ours},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdout is not None
        try:
            url = next(found[0] for line in process.stdout if (found := re.search(r"http://\S+", line)))
            limits = httpx.Limits(max_connections=CALLERS + 5)
            with httpx.Client(base_url=url, timeout=600, limits=limits) as http:
                http.get("/healthz").raise_for_status()
                yield http, psutil.Process(process.pid), time.perf_counter() - began
        finally:
            process.terminate()
            process.wait()


def wait_until_ready(http: httpx.Client) -> None:
    while http.get("/readyz").status_code != 200:
        time.sleep(0.05)


def healthz_times(http: httpx.Client, until: threading.Event) -> list[float]:
    """Milliseconds of each answer."""
    times = []
    while not until.is_set():
        began = time.perf_counter()
        http.get("/healthz").raise_for_status()
        times.append((time.perf_counter() - began) * 1000)
        time.sleep(PACE)
    return times


def p(percent: int, times: list[float]) -> float:
    return statistics.quantiles(times, n=100)[percent - 1]


def measure() -> list[Row]:
    # The first start reads the program from the disk; an owner's restart does not.
    with serving():
        pass
    with serving() as (http, process, start):
        idle_memory = process.memory_info().rss
        wait_until_ready(http)
        began = time.perf_counter()
        http.post("/generate", json={"prompt": "a cat in a hat"}).raise_for_status()
        one = time.perf_counter() - began
        done = threading.Event()
        with ThreadPoolExecutor(CALLERS + 1) as people:
            asking = people.submit(healthz_times, http, done)
            began = time.perf_counter()
            answers = list(
                people.map(lambda seed: http.post("/generate", json={"prompt": "a cat", "seed": seed}), range(CALLERS))
            )
            twenty = time.perf_counter() - began
            done.set()
            times = asking.result()
        assert len({answer.raise_for_status().json()["id"] for answer in answers}) == CALLERS
        memory = process.memory_info().rss
        sizes = {len(http.get(f"/download/{answer.json()['id']}").content) for answer in answers}
    return [
        Row("start to first answer of `/healthz`", f"{start:.2f} s", "< 2 s"),
        Row("memory of the serving process, started", f"{idle_memory / 1e6:.0f} MB", "< 150 MB"),
        Row(f"the same after {CALLERS + 1} images", f"{memory / 1e6:.0f} MB", "< 150 MB"),
        Row("one image, 30 steps, alone", f"{one:.2f} s"),
        Row(f"{CALLERS} images asked for at once, until the last", f"{twenty:.1f} s"),
        Row("an image in that crowd", f"{twenty / CALLERS:.2f} s"),
        Row("size of their PNGs", f"{min(sizes) / 1e3:.0f} to {max(sizes) / 1e3:.0f} kB"),
        Row("`/healthz` meanwhile, p50", f"{p(50, times):.1f} ms"),
        Row(f"`/healthz` meanwhile, p99 of {len(times)}", f"{p(99, times):.1f} ms", "< 50 ms"),
        Row("`/healthz` meanwhile, slowest", f"{max(times):.1f} ms"),
    ]
