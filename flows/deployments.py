"""Makes a Prefect server know the work pool, its queues and the deployments of prefect.yaml."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from importlib import import_module
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from prefect import Flow
from prefect import __version__ as prefect_version
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate, WorkPoolCreate
from prefect.client.schemas.schedules import CronSchedule
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.utilities.callables import parameter_schema
from pydantic import BaseModel, ConfigDict, Field
from ruamel.yaml import YAML

POOL = "rollcall"
LEAVERS = "leavers"
QUEUES = {LEAVERS: 1, "default": 5, "bulk": 10}
"""Work queue -> priority; 1 goes first."""


class Cron(BaseModel):
    """When a deployment runs by itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cron: str
    timezone: str
    """IANA name."""


class Place(BaseModel):
    """Where a deployment's runs queue up."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = POOL
    work_queue_name: str = "default"


class Deployment(BaseModel):
    """One entry of prefect.yaml, as far as Rollcall uses the format."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    entrypoint: str
    """module.path.function"""
    description: str = ""
    tags: tuple[str, ...] = ()
    parameters: dict[str, Any] = Field(default_factory=dict)
    schedules: tuple[Cron, ...] = ()
    work_pool: Place = Place()

    @property
    def module(self) -> str:
        return self.entrypoint.rpartition(".")[0]

    def flow(self) -> Flow[..., Any]:
        """The flow itself, imported."""
        flow = getattr(import_module(self.module), self.entrypoint.rpartition(".")[2])
        if not isinstance(flow, Flow):
            raise TypeError(f"prefect.yaml: {self.name}: {self.entrypoint} is not a flow")
        return flow

    def version(self) -> str:
        """Changes when the entry, the code of the flow's package or Prefect changes."""
        spec = find_spec(self.module.partition(".")[0])
        if spec is None or not spec.submodule_search_locations:
            raise ModuleNotFoundError(f"prefect.yaml: {self.name}: there is no package for {self.entrypoint}")
        digest = hashlib.sha256(f"{prefect_version} {self.model_dump_json()}".encode())
        for folder in spec.submodule_search_locations:
            for source in sorted(Path(folder).rglob("*.py")):
                digest.update(source.read_bytes())
        return digest.hexdigest()[:16]


def prefect_yaml() -> Path:
    """prefect.yaml of the wheel, or of the project the packages lie in."""
    package = Path(str(files("flows")))
    shipped = package / "prefect.yaml"
    return shipped if shipped.is_file() else package.parent / "prefect.yaml"


def read_deployments(path: Path) -> list[Deployment]:
    """The deployments a prefect.yaml lists."""
    content = YAML(typ="safe").load(path)
    return [Deployment.model_validate(entry) for entry in content["deployments"]]


async def register(client: PrefectClient, path: Path) -> list[str]:
    """Make the server's pool, queues and deployments those of prefect.yaml; returns the names that changed."""
    await _ensure_pool(client)
    changed = []
    for deployment in read_deployments(path):
        if await _ensure_deployment(client, deployment):
            changed.append(deployment.name)
    return changed


async def _ensure_pool(client: PrefectClient) -> None:
    try:
        await client.read_work_pool(POOL)
    except ObjectNotFound:
        from prefect.workers.process import ProcessWorker  # slow to import, needed once per server

        template = ProcessWorker.get_default_base_job_template()
        new = WorkPoolCreate(name=POOL, type="process", base_job_template=template)
        with suppress(ObjectAlreadyExists):  # a worker that starts meanwhile makes it too
            await client.create_work_pool(new)
    await _ensure_queues(client)


async def _ensure_queues(client: PrefectClient) -> None:
    known = {queue.name: queue for queue in await client.read_work_queues(work_pool_name=POOL)}
    for name, priority in QUEUES.items():
        if name not in known:
            await client.create_work_queue(name, work_pool_name=POOL, priority=priority)
        elif known[name].priority != priority:
            await client.update_work_queue(known[name].id, priority=priority)


async def _ensure_deployment(client: PrefectClient, deployment: Deployment) -> bool:
    version = deployment.version()
    flow_name = deployment.name.replace("_", "-")
    try:
        known = await client.read_deployment_by_name(f"{flow_name}/{deployment.name}")
        if known.version == version:
            return False
    except ObjectNotFound:
        pass
    await _create(client, deployment, version)
    return True


async def _create(client: PrefectClient, deployment: Deployment, version: str) -> None:
    flow = deployment.flow()
    schedules = [
        DeploymentScheduleCreate(schedule=CronSchedule(cron=when.cron, timezone=when.timezone))
        for when in deployment.schedules
    ]
    await client.create_deployment(
        flow_id=await client.create_flow_from_name(flow.name),
        name=deployment.name,
        version=version,
        schedules=schedules,
        parameters=deployment.parameters,
        description=deployment.description or flow.description,
        work_pool_name=deployment.work_pool.name,
        work_queue_name=deployment.work_pool.work_queue_name,
        tags=list(deployment.tags),
        entrypoint=deployment.entrypoint,
        pull_steps=[],
        parameter_openapi_schema=parameter_schema(flow).model_dump_for_openapi(),
        enforce_parameter_schema=True,
    )
