"""What may happen to a running program: workers die, it is stopped, killed, started twice."""

import io
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest
from PIL import Image

from tests.scenarios.conftest import LIMNER, PATIENCE, Serve, Server, environment, until

pytestmark = pytest.mark.slow

SMALL = {"width": 64, "height": 64, "num_inference_steps": 2}
#: Takes about two seconds, and has a step to be interrupted at all the while.
LONG = {"width": 128, "height": 128, "num_inference_steps": 80}


def step_of(server: Server) -> int:
    running = server.http.get("/status").json()["running"]
    return running[0]["step"] if running else 0


def test_a_worker_killed_in_the_middle_of_a_job_is_replaced_and_the_job_done(server: Server) -> None:
    job_id = server.accept(prompt="a cat", seed=1, **LONG)
    until(lambda: step_of(server) >= 2)
    worker = server.worker()
    assert worker is not None

    worker.send_signal(signal.SIGKILL)

    assert server.http.get("/healthz").status_code == 200
    until(lambda: server.job(job_id)["status"] == "done")
    assert server.job(job_id)["attempts"] == 2
    replacement = server.worker()
    assert replacement is not None
    assert replacement.pid != worker.pid
    undisturbed = server.generate(prompt="a cat", seed=1, **LONG)
    assert server.download(server.job(job_id)["images"][0]["id"])
    pixels = [
        Image.open(io.BytesIO(server.download(image_id))).tobytes()
        for image_id in (undisturbed["id"], server.job(job_id)["images"][0]["id"])
    ]
    assert pixels[0] == pixels[1]


def test_a_job_that_kills_every_worker_is_set_aside(server: Server) -> None:
    job_id = server.accept(prompt="a cat", **LONG)
    next_id = server.accept(prompt="a dog", **SMALL)
    for _ in range(2):
        until(lambda: server.job(job_id)["status"] == "running" and step_of(server) >= 1)
        worker = server.worker()
        assert worker is not None
        worker.send_signal(signal.SIGKILL)
        until(lambda: server.job(job_id)["status"] != "running" or step_of(server) == 0)

    until(lambda: server.job(job_id)["status"] == "failed")
    failure = server.job(job_id)["failure"]
    assert failure["code"] == "worker_died"
    assert "SIGKILL" in failure["detail"]
    until(lambda: server.job(next_id)["status"] == "done")


def test_sigterm_lets_what_runs_finish_and_leaves_the_rest_for_the_next_start(serve: Serve) -> None:
    server = serve()
    running = server.accept(prompt="a cat", **LONG)
    # More than a worker holds.
    queued = [server.accept(prompt=f"dog {number}", num_images=4, num_inference_steps=4) for number in range(8)]
    until(lambda: step_of(server) >= 1)

    code, log = server.end()

    assert code == 0, log
    assert 1 <= log.count("job done") < 9
    server = serve()
    assert server.job(running)["status"] == "done"
    for job_id in queued:
        until(lambda job_id=job_id: server.job(job_id)["status"] == "done")  # type: ignore[misc]
        assert server.job(job_id)["attempts"] == 1


def test_what_does_not_finish_within_the_limit_is_painted_after_the_next_start(serve: Serve) -> None:
    server = serve(LIMNER_DRAIN_SECONDS="0.1")
    job_id = server.accept(prompt="a cat", **{**LONG, "num_inference_steps": 150, "num_images": 4})
    until(lambda: step_of(server) >= 1)
    began = time.monotonic()

    code, log = server.end(signal.SIGINT)

    assert code == 0, log
    assert time.monotonic() - began < 6
    assert "job put back" in log
    server = serve()
    assert server.job(job_id)["status"] in ("queued", "running")
    assert server.http.delete(f"/jobs/{job_id}").json()["status"] == "cancelled"


def test_a_killed_program_forgets_nothing_that_it_accepted(serve: Serve) -> None:
    server = serve()
    done = server.generate(prompt="a bird", **SMALL)
    running = server.accept(prompt="a cat", **LONG)
    queued = server.accept(prompt="a dog", **SMALL)
    until(lambda: step_of(server) >= 1)
    worker = server.worker()

    server.end(signal.SIGKILL)

    assert worker is not None
    worker.wait(PATIENCE)
    server = serve()
    until(lambda: server.job(queued)["status"] == "done")
    assert server.job(running)["status"] == "done"
    assert server.job(running)["attempts"] == 2
    assert server.download(done["id"])


def test_a_second_program_on_the_same_folder_is_refused(server: Server, tmp_path: Path) -> None:
    assert server.http.get("/healthz").status_code == 200
    data = Path(psutil.Process(server.process.pid).environ()["LIMNER_DATA_DIR"])

    refused = serve_and_wait(environment(data), tmp_path)

    assert refused.returncode == 2
    assert "Another Limner works on the data folder" in refused.stderr
    assert "LIMNER_DATA_DIR" in refused.stderr


def test_a_port_that_is_taken_is_told(server: Server, tmp_path: Path) -> None:
    refused = serve_and_wait(environment(tmp_path / "data", LIMNER_HTTP_PORT=str(server.http.base_url.port)), tmp_path)

    assert refused.returncode == 2
    assert "Set LIMNER_HTTP_PORT to a free port." in refused.stderr


def test_an_open_door_without_keys_is_refused(tmp_path: Path) -> None:
    refused = serve_and_wait(environment(tmp_path / "data", LIMNER_HTTP_HOST="0.0.0.0"), tmp_path)

    assert refused.returncode == 2
    assert "LIMNER_API_KEYS" in refused.stderr
    assert not (tmp_path / "data").exists()


def serve_and_wait(env: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*LIMNER, "serve"], cwd=folder, env=env, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
