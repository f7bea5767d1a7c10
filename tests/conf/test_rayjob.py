"""The RayJob is what KubeRay and Kubernetes take, and says what it means."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pyarrow.parquet as pq
import pytest
import yaml

from dataengine import Pipeline
from manifests.schema import MANIFEST_SCHEMA

ROOT = Path(__file__).parents[2]
FILE = ROOT / "conf" / "cluster" / "kuberay-rayjob.yaml"
SCHEMA = json.loads(Path(__file__).with_name("rayjob.schema.json").read_text())


@pytest.fixture(scope="module")
def documents() -> dict[str, Any]:
    return {document["kind"]: document for document in yaml.safe_load_all(FILE.read_text())}


@pytest.fixture(scope="module")
def job(documents: dict[str, Any]) -> dict[str, Any]:
    return documents["RayJob"]["spec"]


def node_groups(job: dict[str, Any]) -> dict[str, dict[str, Any]]:
    cluster = job["rayClusterSpec"]
    return {
        "head": cluster["headGroupSpec"],
        **{group["groupName"]: group for group in cluster["workerGroupSpecs"]},
    }


def test_the_resources_have_the_fields_that_kuberay_and_kubernetes_know(documents, job):
    jsonschema.validate(documents["RayJob"], SCHEMA)
    kubernetes_validate.validate(documents["ConfigMap"], "1.30", strict=True)
    for name, group in node_groups(job).items():
        template = group["template"]
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": template["spec"]}
        pod["metadata"] |= template.get("metadata", {})
        kubernetes_validate.validate(pod, "1.30", strict=True)


def test_a_field_that_does_not_exist_is_found(documents):
    wrong = json.loads(json.dumps(documents["RayJob"]))
    wrong["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]["replica"] = 3
    with pytest.raises(jsonschema.ValidationError, match="replica"):
        jsonschema.validate(wrong, SCHEMA)


def test_ray_is_told_what_the_container_has(job):
    for name, group in node_groups(job).items():
        (container,) = group["template"]["spec"]["containers"]
        requests, limits = container["resources"]["requests"], container["resources"]["limits"]
        assert requests == limits, f"{name}: a container that may use more than it asked for is evicted first"
        parameters = group["rayStartParams"]
        assert parameters["num-cpus"] == ("0" if name == "head" else limits["cpu"])
        assert parameters.get("num-gpus") == limits.get("nvidia.com/gpu")
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        assert ports["metrics"] == int(parameters["metrics-export-port"])
        assert group.get("minReplicas") == group.get("maxReplicas") == group.get("replicas")


def test_the_version_of_ray_is_the_one_that_is_tested(job):
    (pinned,) = [
        line.removeprefix("ray==")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if line.startswith("ray==")
    ]
    assert job["rayClusterSpec"]["rayVersion"] == pinned
    images = {group["template"]["spec"]["containers"][0]["image"] for group in node_groups(job).values()}
    assert {image.rsplit("-ray", 1)[1] for image in images} == {pinned}
    assert f"FROM rayproject/ray:{pinned}-" in FILE.read_text()


def test_a_run_has_the_time_to_stop_gracefully(documents, job):
    pipeline = yaml.safe_load(documents["ConfigMap"]["data"]["pipeline.yaml"])
    needed = pipeline["engine"]["stop_seconds"]
    head = job["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]
    assert head["terminationGracePeriodSeconds"] > 2 * needed
    environment = yaml.safe_load(job["runtimeEnvYAML"])["env_vars"]
    assert needed < int(environment["RAY_JOB_STOP_WAIT_TIME_S"]) < head["terminationGracePeriodSeconds"]
    (script,) = head["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][2:]
    assert "pkill -TERM -f '[d]ataengine run'" in script


def test_the_entrypoint_runs_a_pipeline_that_loads(documents, job, tmp_path):
    command = shlex.split(job["entrypoint"])
    assert command[:3] == ["exec", "dataengine", "run"]
    head = job["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]
    (mount,) = head["containers"][0]["volumeMounts"]
    folder, name = command[3].rsplit("/", 1)
    assert folder == mount["mountPath"]
    assert head["volumes"][0]["configMap"]["name"] == documents["ConfigMap"]["metadata"]["name"]
    file = tmp_path / name
    file.write_text(documents["ConfigMap"]["data"][name])
    manifest = tmp_path / "manifest.parquet"
    pq.write_table(MANIFEST_SCHEMA.empty_table(), manifest)
    as_in_the_cluster = Pipeline.load(file, [f"input={manifest}"])
    built_in = Pipeline.load(ROOT / "stages" / "pseudolabel.yaml", [f"input={manifest}"])
    assert as_in_the_cluster.digest == built_in.digest
