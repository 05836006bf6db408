"""What deploys several replicas: the Compose file with Redis, and the folder for Kubernetes.

There is neither Docker nor Kubernetes where this is developed: the files are checked by the schemas that both
publish, against what the code does, and Redis's settings by a real redis-server that reads them.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import time
import tomllib
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.config import Settings, address_of
from bot.run.server import Front, listening
from bot.run.start import LAST
from tests.ports import free_port
from tests.redis_server import MISSING, SERVER
from tests.schemas import faults_of_compose, faults_of_kubernetes
from tests.settings_page import KINDS
from tests.test_deploy import COMPOSE, DEPLOY, SCALE, SERVICES

RIVULET: dict[str, Any] = SCALE["services"]["rivulet"]
REDIS: dict[str, Any] = SCALE["services"]["redis"]
FOLDER = DEPLOY / "kubernetes"
EXAMPLE = "secret.example.yaml"
KUSTOMIZATION: dict[str, Any] = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
OBJECTS: dict[str, dict[str, Any]] = {
    name: yaml.safe_load((FOLDER / name).read_text()) for name in (*KUSTOMIZATION["resources"], EXAMPLE)
}
DEPLOYMENT: dict[str, Any] = OBJECTS["deployment.yaml"]["spec"]
POD: dict[str, Any] = DEPLOYMENT["template"]["spec"]
BOT: dict[str, Any] = POD["containers"][0]
LABELS = {"app.kubernetes.io/name": "rivulet"}
#: The oldest Kubernetes that knows all that is used, and the newest that the schemas know.
VERSIONS = ("1.30", "1.37")
NAMES = {str(field.validation_alias): field for kind in KINDS for field in kind.model_fields.values()}


# Compose.


@pytest.mark.parametrize("said", [COMPOSE, SCALE], ids=["one", "scale"])
def test_compose_knows_all_that_its_files_say(said):
    assert faults_of_compose(said) == []
    wrong = deepcopy(said)
    wrong["services"]["rivulet"]["stop_grace"] = "1s"
    assert faults_of_compose(wrong)


def test_what_is_taken_over_from_the_other_file_is_there_with_its_networks_and_volumes():
    taken = {name: each["extends"] for name, each in SCALE["services"].items() if "extends" in each}
    assert taken == {
        name: {"file": "docker-compose.yml", "service": name} for name in ("prometheus", "grafana")
    }
    for name in taken:
        assert {*SERVICES[name]["networks"]} <= {"default", *SCALE["networks"]}
        named = {volume.partition(":")[0] for volume in SERVICES[name]["volumes"]}
        assert {each for each in named if not each.startswith(".")} <= {*SCALE["volumes"]}
        assert SERVICES[name]["profiles"] == ["metrics"]


def test_replicas_share_no_folder_and_nothing_of_theirs_must_survive():
    assert RIVULET["deploy"]["replicas"] >= 2
    assert [volume for volume in RIVULET["volumes"] if not volume.endswith(":ro")] == []
    [data] = [mount for mount in RIVULET["tmpfs"] if mount.startswith("/data:")]
    assert {"uid=10001", "mode=0700"} <= set(data.split(","))
    assert "ports" not in RIVULET  # the second replica would not get it
    assert "container_name" not in RIVULET


def test_a_replica_has_what_the_one_process_has_but_its_store_and_its_time_to_end():
    one = SERVICES["rivulet"]
    for name in ("image", "build", "env_file", "user", "restart"):
        assert RIVULET[name] == one[name]
    assert RIVULET["healthcheck"]["test"] == one["healthcheck"]["test"]
    assert RIVULET["environment"]["RIVULET_METRICS"] == one["environment"]["RIVULET_METRICS"]
    assert {"default", "metrics"} < {*RIVULET["networks"]}


def test_a_replica_that_is_stopped_has_time_to_drain_and_for_its_last_edits():
    drain = int(RIVULET["environment"]["RIVULET_DRAIN"])
    assert drain > 0
    assert int(RIVULET["stop_grace_period"].removesuffix("s")) >= drain + 2 * LAST


def test_redis_is_reached_by_replicas_alone_with_a_password_that_no_file_has():
    assert "ports" not in REDIS
    assert REDIS["networks"] == ["store"]
    assert SCALE["networks"]["store"]["internal"] is True
    assert "store" in RIVULET["networks"]
    for text in (RIVULET["environment"]["RIVULET_STORE"], REDIS["environment"]["REDISCLI_AUTH"]):
        assert "${REDIS_PASSWORD:?" in text  # Compose refuses to start without
    assert re.fullmatch(r"redis://:\$\{[^}]*\}@redis:6379/0", RIVULET["environment"]["RIVULET_STORE"])
    assert RIVULET["depends_on"] == {"redis": {"condition": "service_healthy"}}
    assert REDIS["volumes"] == ["redis:/data"]


@pytest.mark.skipif(not SERVER, reason=MISSING)
def test_a_real_redis_takes_the_command_and_keeps_and_refuses_as_it_says(tmp_path):
    free, (shell, option, script) = free_port(), REDIS["command"]
    script = script.replace("$$", "$").replace("dir /data", f"dir {tmp_path}\nport {free}\nbind 127.0.0.1")
    env = {"REDISCLI_AUTH": "feed00", "PATH": os.environ["PATH"]}
    process = subprocess.Popen([shell, option, script], env=env, stdout=subprocess.DEVNULL, cwd=tmp_path)

    def done(command: str) -> str:
        words = command.replace("redis-cli", f"redis-cli -p {free}")
        return subprocess.run(
            ["sh", "-c", words], env=env, capture_output=True, text=True, check=False
        ).stdout

    try:
        ends = time.monotonic() + 20
        [kind, health] = REDIS["healthcheck"]["test"]
        while done(f"{health} && echo well") != "well\n":
            assert time.monotonic() < ends
            time.sleep(0.02)
        told = done("redis-cli config get append* maxmemory* save").split("\n")
        assert "feed00" not in Path(f"/proc/{process.pid}/cmdline").read_text()
        assert "NOAUTH" in done("REDISCLI_AUTH= redis-cli get x")
    finally:
        process.terminate()
        process.wait(20)
    says = dict(zip(told[::2], told[1::2], strict=False))
    assert kind == "CMD-SHELL"
    assert (says["appendonly"], says["appendfsync"], says["save"]) == ("yes", "everysec", "")
    assert says["maxmemory-policy"] == "noeviction"
    # Room for what is written anew while a copy is on its way to the disk.
    assert 0 < int(says["maxmemory"]) * 2 <= 512 * 2**20
    assert (tmp_path / "appendonlydir").is_dir()


# Kubernetes.


@pytest.mark.parametrize("name", OBJECTS)
def test_kubernetes_old_and_new_knows_all_that_a_file_says(name):
    for version in VERSIONS:
        assert faults_of_kubernetes(OBJECTS[name], version) == []


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("strategy", "rollingUpdate", "maxUnvailable"), 0),
        (("replicas",), "three"),
        (("template", "spec", "containers", 0, "readinessProbe", "httpGet", "part"), "/readyz"),
    ],
)
def test_a_mistake_in_a_file_for_kubernetes_is_found(where, value):
    wrong = deepcopy(OBJECTS["deployment.yaml"])
    inner = wrong["spec"]
    for step in where[:-1]:
        inner = inner[step]
    inner[where[-1]] = value
    assert faults_of_kubernetes(wrong, VERSIONS[-1])


def test_kustomize_is_given_every_file_but_the_example_of_a_secret():
    assert {path.name for path in FOLDER.iterdir()} == {
        *("kustomization.yaml", EXAMPLE),
        *KUSTOMIZATION["resources"],
        *KUSTOMIZATION["configMapGenerator"][0]["files"],
    }
    assert [image["name"] for image in KUSTOMIZATION["images"]] == [BOT["image"]]
    assert KUSTOMIZATION["namespace"] == OBJECTS["namespace.yaml"]["metadata"]["name"]
    assert tomllib.loads((FOLDER / "config.toml").read_text()) == {}


def test_all_objects_mean_the_same_pods_and_every_name_that_one_uses_is_anothers():
    assert DEPLOYMENT["template"]["metadata"]["labels"] == LABELS
    assert DEPLOYMENT["selector"]["matchLabels"] == LABELS
    assert OBJECTS["disruption.yaml"]["spec"]["selector"]["matchLabels"] == LABELS
    assert OBJECTS["network.yaml"]["spec"]["podSelector"]["matchLabels"] == LABELS
    assert OBJECTS["service.yaml"]["spec"]["selector"] == LABELS
    assert BOT["envFrom"] == [{"secretRef": {"name": OBJECTS[EXAMPLE]["metadata"]["name"]}}]
    [made] = KUSTOMIZATION["configMapGenerator"]
    assert {"name": "config", "configMap": {"name": made["name"]}} in POD["volumes"]
    assert {each["name"] for each in BOT["volumeMounts"]} == {each["name"] for each in POD["volumes"]}
    ports = {each["name"] for each in BOT["ports"]}
    assert {each["targetPort"] for each in OBJECTS["service.yaml"]["spec"]["ports"]} <= ports
    rules = OBJECTS["network.yaml"]["spec"]["ingress"]
    assert {each["port"] for rule in rules for each in rule["ports"]} == {"events", "metrics"}


@pytest.mark.rule(27)
def test_a_pod_is_confined_as_the_container_of_compose_is():
    inside, outside = BOT["securityContext"], POD["securityContext"]
    assert inside == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert outside["runAsNonRoot"] is True
    assert outside["seccompProfile"] == {"type": "RuntimeDefault"}
    assert f"{outside['runAsUser']}:{outside['runAsGroup']}" == SERVICES["rivulet"]["user"]
    assert BOT["resources"]["limits"]["memory"] == "512Mi"
    assert POD["automountServiceAccountToken"] is False
    assert OBJECTS["namespace.yaml"]["metadata"]["labels"] == {
        "pod-security.kubernetes.io/enforce": "restricted"
    }
    for option in ("hostNetwork", "hostPID", "hostIPC"):
        assert option not in POD


def test_pods_share_no_folder_and_each_may_write_little():
    written = {each["name"]: each for each in POD["volumes"] if "configMap" not in each}
    assert {*written} == {"data", "tmp"}
    assert all(re.fullmatch(r"\d+Mi", each["emptyDir"]["sizeLimit"]) for each in written.values())


def test_a_rollout_takes_no_pod_away_before_another_is_ready_and_lets_each_drain():
    update = DEPLOYMENT["strategy"]["rollingUpdate"]
    assert (update["maxUnavailable"], update["maxSurge"]) == (0, 1)
    assert DEPLOYMENT["replicas"] > OBJECTS["disruption.yaml"]["spec"]["maxUnavailable"]
    before = BOT["lifecycle"]["preStop"]["sleep"]["seconds"]
    drain = int({each["name"]: each["value"] for each in BOT["env"]}["RIVULET_DRAIN"])
    assert POD["terminationGracePeriodSeconds"] >= before + drain + 2 * LAST


async def test_the_probes_ask_for_what_the_bot_serves_at_its_own_ports():
    ports = {each["name"]: each["containerPort"] for each in BOT["ports"]}
    assert ports["health"] == NAMES["RIVULET_PORT"].default
    assert ports["events"] == ports["health"] + 1  # see RIVULET_EVENTS_PORT
    said = {each["name"]: each["value"] for each in BOT["env"]}
    assert address_of(said["RIVULET_METRICS"]) == ("0.0.0.0", ports["metrics"])
    front: Front
    async with listening("127.0.0.1", 0) as front:
        await front.open([])
        for probe, path in (("startup", "/healthz"), ("liveness", "/healthz"), ("readiness", "/readyz")):
            asked = BOT[f"{probe}Probe"]["httpGet"]
            assert asked == {"path": path, "port": "health"}
            assert await _status(front.port, path) == 200


async def _status(where: int, path: str) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", where)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    line = await reader.readline()
    writer.close()
    return int(line.split()[1])


def test_the_environment_of_a_pod_is_made_of_settings_that_there_are():
    said = {*OBJECTS[EXAMPLE]["stringData"], *(each["name"] for each in BOT["env"])}
    assert said - {"RIVULET_STORE"} <= {*NAMES}
    assert Settings.model_fields["drain"].default == 0  # so that it is said


def test_a_pod_may_call_the_world_by_tls_and_inside_its_network_names_and_redis_alone():
    rules = OBJECTS["network.yaml"]["spec"]
    assert rules["policyTypes"] == ["Ingress", "Egress"]
    ports = [{each["port"] for each in rule["ports"]} for rule in rules["egress"]]
    assert ports == [{53}, {443}, {6379}]
    [inner, other] = (each["ipBlock"] for each in rules["egress"][1]["to"])
    assert {"10.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"} <= {*inner["except"]}
    assert {"fc00::/7", "fe80::/10"} <= {*other["except"]}
