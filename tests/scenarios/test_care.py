"""The data folder of a running program: a full disk, a backup beside it and its way back, pruning."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.disks import small_disk
from tests.scenarios.conftest import LIMNER, PATIENCE, Serve, Server, environment, until

pytestmark = pytest.mark.slow

SMALL = {"width": 64, "height": 64, "num_inference_steps": 2}


def db(data_dir: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*LIMNER, "db", *arguments],
        cwd=data_dir.parent,
        env=environment(data_dir),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@contextmanager
def serving(data_dir: Path) -> Iterator[Server]:
    server = Server(data_dir, CUDA_VISIBLE_DEVICES="")
    try:
        yield server
    finally:
        server.close()


@pytest.mark.nightly
def test_a_full_disk_is_told_loses_nothing_and_is_over_once_there_is_room(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", mebibytes=8) as disk, serving(disk.folder / "data") as server:
        server.wait_until_ready()
        before = server.generate(prompt="a cat", **SMALL)["id"]
        disk.fill()
        answers = [server.http.post("/jobs", json={"prompt": "a cat", **SMALL}) for _ in range(60)]
        readiness = server.http.get("/readyz")
        downloaded = server.download(before)
        disk.make_room()
        until(lambda: server.http.get("/readyz").status_code == 200)
        accepted = [answer.json()["id"] for answer in answers if answer.status_code == 202]
        after = server.generate(prompt="a dog", **SMALL)["id"]
        for job_id in accepted:
            until(lambda job_id=job_id: server.job(job_id)["status"] == "done")  # type: ignore[misc]
        attempts = {server.job(job_id)["attempts"] for job_id in accepted}
        ids = {image["id"] for image in server.http.get("/images", params={"limit": 100}).json()["images"]}
        code, log = server.end()
        checked = db(disk.folder / "data", "check")

    refused = [answer for answer in answers if answer.status_code != 202]
    assert {(answer.status_code, answer.json()["code"]) for answer in refused} == {(507, "disk_full")}
    assert (readiness.status_code, readiness.json()["reason"]) == (503, "disk_full")
    assert downloaded
    assert attempts <= {1}
    assert len(ids) == len(accepted) + len({before, after})
    assert code == 0
    assert 1 <= log.count('"storage trouble"') <= 2
    assert log.count('"storage works again"') == log.count('"storage trouble"')
    assert "Traceback" not in log
    assert (checked.returncode, checked.stdout) == (0, "All is well.\n")


@pytest.mark.nightly
def test_a_backup_made_while_pictures_are_painted_and_deleted_comes_back_whole(
    serve: Serve, data_dir: Path, tmp_path: Path
) -> None:
    server = serve(CUDA_VISIBLE_DEVICES="")
    server.wait_until_ready()
    kept = [server.generate(prompt=f"cat {number}", seed=number, **SMALL)["id"] for number in range(4)]
    jobs = [server.accept(prompt=f"dog {number}", num_images=2, **SMALL) for number in range(6)]
    server.http.delete(f"/images/{kept.pop()}")

    made, refused = db(data_dir, "backup", "b.tar"), db(data_dir, "restore", "b.tar")
    beside = db(data_dir, "check")
    for job_id in jobs:
        until(lambda job_id=job_id: server.job(job_id)["status"] == "done")  # type: ignore[misc]
    pictures = {image_id: server.download(image_id) for image_id in kept}
    server.end(signal.SIGKILL)
    for path in (data_dir / "images").rglob("*.png"):
        path.write_bytes(b"")
    restored = db(data_dir, "restore", "b.tar")
    checked = db(data_dir, "check")

    assert made.returncode == 0, made.stderr
    assert refused.returncode == 2
    assert "Another Limner works on the data folder" in refused.stderr
    assert (beside.returncode, beside.stdout) == (0, "All is well.\n")
    assert restored.returncode == 0, restored.stderr
    assert (checked.returncode, checked.stdout) == (0, "All is well.\n")
    server = serve(CUDA_VISIBLE_DEVICES="")
    assert {image_id: server.download(image_id) for image_id in kept} == pictures
    for job_id in jobs:
        until(lambda job_id=job_id: server.job(job_id)["status"] == "done")  # type: ignore[misc]


def test_pruning_beside_a_server_takes_what_is_old_and_disturbs_nobody(serve: Serve, data_dir: Path) -> None:
    server = serve(CUDA_VISIBLE_DEVICES="")
    server.wait_until_ready()
    old = [server.generate(prompt="a cat", **SMALL)["id"] for _ in range(3)]
    jobs = [server.accept(prompt="a dog", **SMALL) for _ in range(4)]

    pruned = db(data_dir, "prune", "--older-than", "0")

    assert pruned.returncode == 0, pruned.stderr
    assert [server.http.get(f"/images/{image_id}").status_code for image_id in old] == [404] * 3
    for job_id in jobs:
        # Those that were over already went, too.
        until(lambda job_id=job_id: server.job(job_id).get("status") in ("done", 404))  # type: ignore[misc]
    assert server.end()[0] == 0
    assert db(data_dir, "check").stdout == "All is well.\n"
