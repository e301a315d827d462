"""deploy/compose.yaml: valid by docker-compose itself, and every path, command, variable and port in it is a real one."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.kafka.compose_brokers import NODES, compose_properties
from pipeline.kafka.properties import as_environment
from pipeline.ops.prometheus_files import AUTHORITIES, CERTIFICATE, KEY
from tests.deployed import DEPLOY, ROOT, command_faults, unread

ENVIRONMENT = DEPLOY / "compose.env.example"
HEDX = ("topics", "operator", "intake", "applications", "collect", "join", "party-00", "lag", "watch", "console")
ONCE = ("topics", "operator")
PUBLIC = {"kafka1", "kafka2", "kafka3", "console", "grafana"}
"""Services with a published port; nothing else can be reached from outside."""
SERVER = "/srv/hedx"
PINNED = re.compile(r"[a-z/]+:v?[0-9]+\.[0-9]+(\.[0-9]+)?(-[a-z-]+)?")


@cache
def resolved() -> dict[str, Any]:
    """What docker-compose makes of the file with the example's variables: anchors, `extends` and variables all put in."""
    command = ["docker-compose", "--env-file", str(ENVIRONMENT), "--file", str(DEPLOY / "compose.yaml")]
    done = subprocess.run(
        [*command, "--profile", "operator", "config"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    content: dict[str, Any] = yaml.safe_load(done.stdout)
    return content


def services() -> dict[str, dict[str, Any]]:
    """All services, resolved."""
    found: dict[str, dict[str, Any]] = resolved()["services"]
    return found


def mounts(service: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """Source, target, whether read-only; of short and long form."""
    found = []
    for volume in service.get("volumes", []):
        if isinstance(volume, str):
            source, target, *mode = volume.split(":")
            found.append((source, target, mode == ["ro"]))
        else:
            found.append((volume["source"], volume["target"], volume.get("read_only", False)))
    return found


def listening(service: dict[str, Any]) -> set[int]:
    """The ports at which a hedx service gives its figures: HEDX_METRICS, or where it serves nothing else."""
    told = str(service["environment"].get("HEDX_METRICS") or "")
    words = [told] if told else list(map(str, service.get("command", [])))
    return {int(word.rpartition(":")[2]) for word in words if re.fullmatch(r"0\.0\.0\.0:\d+", word)}


def test_docker_compose_takes_the_file() -> None:
    """docker-compose resolves it without a word; all services are there."""
    assert set(services()) == {*HEDX, *(f"kafka{node}" for node in NODES), "prometheus", "grafana"}


def test_docker_compose_refuses_a_wrong_file(tmp_path: Path) -> None:
    """The check above can fail: a key that no service has is refused."""
    wrong = tmp_path / "compose.yaml"
    wrong.write_text("services: {one: {image: 'x:1.0', memory_limit: 1g}}\n")
    done = subprocess.run(
        ["docker-compose", "--file", str(wrong), "config"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode != 0
    assert "memory_limit" in done.stderr


def test_a_cluster_id_must_be_set(tmp_path: Path) -> None:
    """Without HEDX_CLUSTER_ID nothing starts: a default of everybody's would let two clusters meet."""
    empty = tmp_path / "env"
    empty.write_text("HEDX_ROOT=/srv/hedx\n")
    done = subprocess.run(
        ["docker-compose", "--env-file", str(empty), "--file", str(DEPLOY / "compose.yaml"), "config"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode != 0
    assert "random-uuid" in done.stderr


@pytest.mark.parametrize("node", NODES)
def test_a_brokers_environment_is_the_generated_one(node: int) -> None:
    """What docker-compose hands to the container are our settings, its name for the cluster, and nothing else."""
    service = services()[f"kafka{node}"]
    settings = {name: str(value).replace("$$", "$") for name, value in service["environment"].items()}
    assert settings.pop("CLUSTER_ID")
    assert settings == as_environment(compose_properties(node))
    [port] = service["ports"]
    outside = int(settings["KAFKA_LISTENERS"].partition("PARTIES://0.0.0.0:")[2].partition(",")[0])
    assert published(port) == (outside, outside), "clients are told the port they connect to"
    assert service["hostname"] == f"kafka{node}"
    assert (f"{SERVER}/brokers/kafka{node}", "/etc/hedx/principals/broker", True) in mounts(service)


def published(port: Any) -> tuple[int, int]:
    """Outside and inside port, of short and long form."""
    if isinstance(port, dict):
        return int(port["published"]), int(port["target"])
    *_, outside, inside = str(port).removesuffix("/tcp").split(":")
    return int(outside), int(inside)


def test_every_service_is_hardened() -> None:
    """Read-only root, no capability, no way to more, another user than root, bounded memory, processes and logs."""
    for name, service in services().items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert "cap_add" not in service, name
        assert not service.get("privileged"), name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert int(str(service["user"]).partition(":")[0]) > 0, name
        assert service["mem_limit"], name
        assert service["pids_limit"], name
        assert service["logging"]["options"]["max-size"], name
        assert service["restart"] == ("no" if name in ONCE else "unless-stopped"), name
        assert "/var/run/docker.sock" not in {source for source, _, _ in mounts(service)}, name


def test_images_are_pinned() -> None:
    """By a version at least; never `latest`."""
    for name, service in services().items():
        assert PINNED.fullmatch(service["image"]), name
    versions = dict(line.split("=", 1) for line in ENVIRONMENT.read_text().splitlines() if "_IMAGE=" in line)
    text = (DEPLOY / "compose.yaml").read_text()
    for variable, image in versions.items():
        assert f"${{{variable}:-{image}}}" in text, f"{variable}: the example and the file's default differ"


def test_every_process_has_a_health_check() -> None:
    """What runs on is looked after; what runs once is not."""
    for name, service in services().items():
        check = service["healthcheck"]
        if name in ONCE:
            assert check == {"disable": True} or check.get("test") == ["NONE"], name
        else:
            assert check["test"][0] in ("CMD", "CMD-SHELL"), name
            assert {"interval", "timeout", "start_period", "retries"} <= set(check), name
        if name in HEDX and name not in ONCE:
            _, *words = check["test"]
            assert words[:3] == ["python", "-m", "pipeline.ops.probe"], name
            [port] = listening(service)
            assert words[3:] == ([] if service["environment"].get("HEDX_METRICS") else [f"localhost:{port}"]), name


def test_processes_get_the_time_to_end_well() -> None:
    """A broker moves its leaders away, a worker ends its transaction (10 s) and its signer; docker's default is ten seconds."""
    for name, service in services().items():
        if name.startswith("kafka"):
            assert service["stop_grace_period"] in ("2m", "2m0s"), name
        elif name in HEDX:
            assert service["stop_grace_period"] == "45s", name
            assert service["ulimits"]["memlock"] == -1, name
            assert service["ulimits"]["core"] == 0, name


@pytest.mark.parametrize("name", HEDX)
def test_every_command_is_one_of_the_cli(name: str) -> None:
    """Words, options and values are those of the click tree."""
    assert list(command_faults([str(word) for word in services()[name]["command"]])) == []


def test_every_variable_is_read_by_the_code() -> None:
    """A HEDX_ variable that nothing reads would be a wish."""
    for name in HEDX:
        assert unread(services()[name]["environment"]) == set(), name
    asked = set(re.findall(r"\$\{([A-Z_0-9]+)", (DEPLOY / "compose.yaml").read_text()))
    asked |= set(re.findall(r"\$\{([A-Z_]+)", (DEPLOY / "kafka" / "brokers.yaml").read_text()))
    told = {line.split("=")[0] for line in ENVIRONMENT.read_text().splitlines() if line and not line.startswith("#")}
    assert asked | {"COMPOSE_PROJECT_NAME"} == told, "the example explains every variable, and no other"


def test_every_mounted_file_of_the_repository_exists() -> None:
    """Configuration comes from deploy/, read-only; keys and stores from HEDX_ROOT; the rest are named volumes."""
    for name, service in services().items():
        for source, target, read_only in mounts(service):
            if source.startswith(str(ROOT)):
                assert Path(source).exists(), f"{name}: {source}"
                assert read_only, f"{name}: {source}"
            elif not source.startswith(f"{SERVER}/"):
                assert source in resolved()["volumes"], f"{name}: {source}"
            assert target.startswith("/"), f"{name}: {target}"


def test_keys_are_mounted_only_where_they_are_used() -> None:
    """The authority's folder is in no process that runs on; a stage sees the center's keys, operations those of `ops`."""
    for name, service in services().items():
        principals = {Path(source).name for source, _, _ in mounts(service) if "/principals/" in source}
        whole = any(source == f"{SERVER}/center" for source, _, _ in mounts(service))
        assert whole == (name in ONCE), name
        if name in ("intake", "applications", "collect", "join"):
            assert principals == {"center", "monitor"}, name
        elif name in ("lag", "watch"):
            assert principals == {"ops", "monitor"}, name
            assert not any("/parties/" in source for source, _, _ in mounts(service)), name
        elif name == "party-00":
            assert principals == {"P00", "monitor"}, name
        assert all(read_only for source, _, read_only in mounts(service) if "/principals/" in source), name


def test_networks_keep_figures_and_cluster_inside() -> None:
    """Only brokers, console and Grafana can be reached from outside; the two inner networks lead nowhere."""
    assert resolved()["networks"]["cluster"]["internal"]
    assert resolved()["networks"]["figures"]["internal"]
    for name, service in services().items():
        assert bool(service.get("ports")) == (name in PUBLIC), name
        assert ("outside" in service["networks"]) == (name in PUBLIC), name
    for name in ("console", "grafana"):
        [port] = services()[name]["ports"]
        assert "127.0.0.1" in str(port), f"{name} is for this machine until HEDX_DESK says otherwise"


def test_the_centers_own_party_has_a_fixed_address() -> None:
    """Rights are given to an address (Art. 5), so 部中心's must be the same after every start, and inside its network."""
    import ipaddress

    address = services()["party-00"]["networks"]["cluster"]["ipv4_address"]
    [config] = resolved()["networks"]["cluster"]["ipam"]["config"]
    assert ipaddress.ip_address(address) in ipaddress.ip_network(config["subnet"])


def test_prometheus_asks_every_process_and_no_other() -> None:
    """Names and ports among the targets of deploy/prometheus/compose.yml are those of the services with figures."""
    config = yaml.safe_load((DEPLOY / "prometheus" / "compose.yml").read_text())
    targets: set[tuple[str, int]] = set()
    for job in config["scrape_configs"]:
        if job["job_name"] == "prometheus":
            continue  # itself
        for found in job.get("dns_sd_configs", []):
            targets |= {(name, found["port"]) for name in found["names"]}
        for found in job.get("static_configs", []):
            targets |= {(target.split(":")[0], int(target.split(":")[1])) for target in found["targets"]}
    serving = {(name, port) for name in HEDX if name not in ONCE for port in listening(services()[name])}
    assert targets == serving
    [keys] = [target for source, target, _ in mounts(services()["prometheus"]) if source == f"{SERVER}/prometheus"]
    tls = config["scrape_configs"][0]["tls_config"]
    assert (tls["ca_file"], tls["cert_file"], tls["key_file"]) == (
        f"{keys}/{AUTHORITIES}", f"{keys}/{CERTIFICATE}", f"{keys}/{KEY}",
    ), "what `hedx metrics prometheus` writes"  # fmt: skip
    command = services()["prometheus"]["command"]
    assert "--config.file=/etc/prometheus/compose.yml" in command
    assert (str(DEPLOY / "prometheus"), "/etc/prometheus", True) in mounts(services()["prometheus"])
