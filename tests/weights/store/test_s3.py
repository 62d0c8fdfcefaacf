"""Checkpoints in S3, as a local server answers for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import optuna
from optuna.artifacts import Backoff
from optuna.artifacts import Boto3ArtifactStore
from optuna.artifacts.exceptions import ArtifactNotFound
import pytest

from optuna_meta.weights import CheckpointStore
from tests.weights.toys import fill_of
from tests.weights.toys import linear
from tests.weights.toys import saved
from tests.weights.toys import steps


boto3 = pytest.importorskip("boto3")
server = pytest.importorskip("moto.server")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture
def bucket(endpoint: str, request: pytest.FixtureRequest) -> Any:
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    name = f"bucket-{abs(hash(request.node.name))}"
    client.create_bucket(Bucket=name)
    yield client, name
    client.close()


def _objects(bucket: Any) -> dict[str, int]:
    client, name = bucket
    listed = client.list_objects_v2(Bucket=name).get("Contents", [])
    return {entry["Key"]: entry["Size"] for entry in listed}


@pytest.mark.parametrize("avoid_buf_copy", [True, False])
def test_saved_loaded_pruned_and_verified(bucket: Any, avoid_buf_copy: bool) -> None:
    client, name = bucket
    artifacts = Boto3ArtifactStore(name, client, avoid_buf_copy=avoid_buf_copy)
    store = CheckpointStore(artifacts, save_top_k=2)
    study = saved(store, [0.5, 0.25, 0.75, 0.125])
    store.prune(study)
    records = store.records(study)
    assert [fill_of(store, record) for record in records] == [0.125, 0.25]
    assert _objects(bucket) == {r.weights.artifact_id: r.weights.n_bytes for r in records}
    assert {e.name for e in store.header(records[0]).entries} == {"weight", "bias"}
    assert store.verify(study).ok


def test_large_files_are_uploaded_in_parts_and_read_in_pieces(bucket: Any) -> None:
    client, name = bucket
    store = CheckpointStore(Backoff(Boto3ArtifactStore(name, client, avoid_buf_copy=True)))
    study = optuna.create_study()
    record = store.save(study.ask(), linear(0.5, n=5_000_000))
    assert record.weights.n_bytes > 20e6
    assert store.load(record).state["weight"].unique().tolist() == [0.5]


def test_deleted_and_damaged_objects_are_reported(bucket: Any) -> None:
    client, name = bucket
    store = CheckpointStore(Boto3ArtifactStore(name, client))
    study = saved(store, [0.1, 0.2, 0.3])
    deleted, damaged, _ = store.records(study)
    client.delete_object(Bucket=name, Key=deleted.weights.artifact_id)
    content = client.get_object(Bucket=name, Key=damaged.weights.artifact_id)["Body"].read()
    body = content[:-1] + bytes([content[-1] ^ 1])
    client.put_object(Bucket=name, Key=damaged.weights.artifact_id, Body=body)
    with pytest.raises(ArtifactNotFound, match="trial 0 .* deleted in the dashboard"):
        store.load(deleted)
    with pytest.raises(ValueError, match="damaged"):
        store.load(damaged)
    statuses = [finding.status for finding in store.verify(study).findings]
    assert statuses == ["missing", "damaged", "intact"]


def test_a_trial_goes_on(bucket: Any) -> None:
    client, name = bucket
    store = CheckpointStore(Boto3ArtifactStore(name, client))
    study = optuna.create_study()
    study.enqueue_trial({"rate": 0.05})
    study.optimize(steps(store, 2), n_trials=1)
    study.enqueue_trial(study.trials[0].params)
    study.optimize(steps(store, 2), n_trials=1)
    assert [trial.user_attrs["start"] for trial in study.trials] == [0, 3]
