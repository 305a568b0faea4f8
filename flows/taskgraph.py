"""A plan's steps as Prefect tasks, whose edges are the plan's own."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from typing import Any

from prefect import Task, allow_failure, runtime
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, StateType
from prefect.futures import PrefectFuture
from prefect.states import Completed, Failed

from connectors.errors import ConnectorError, Retryable
from flows.case import Case
from flows.record.tables import StepOutcome
from flows.steps import apply, ask, block
from mappings.plan import Step

RETRY_DELAYS = [2.0, 10.0, 30.0]  # seconds between attempts, beyond what the server itself asks for
OK = (StepOutcome.DONE, StepOutcome.ALREADY)


def named(name: str, fn: Callable[[], Any], retries: int = len(RETRY_DELAYS)) -> Task[..., Any]:
    """A Prefect task with no cache, no stored result and retries on Retryable only."""
    return Task(
        fn=fn,
        name=name,
        task_run_name=name,
        cache_policy=NO_CACHE,
        persist_result=False,
        retries=retries,
        retry_delay_seconds=RETRY_DELAYS,
        retry_jitter_factor=0.3,
        retry_condition_fn=worth_retrying,
    )


def worth_retrying(task: Any, run: Any, state: State[Any]) -> bool:
    """Whether the same call may succeed later."""
    return isinstance(state.result(raise_on_failure=False), Retryable)


def after(futures: Iterable[PrefectFuture[Any]]) -> list[Any]:
    """Edges of the graph that hold whatever became of the upstream tasks."""
    return [allow_failure(f) for f in futures]


def submit_steps(
    case: Case,
    run_id: str,
    first: PrefectFuture[Any],
    results: dict[str, StepOutcome],
    waiting: Container[str] = (),
    retries: int = len(RETRY_DELAYS),
) -> dict[str, PrefectFuture[Any]]:
    """One task for each step that is neither done nor `waiting` for an approval; its edges are the plan's own."""
    futures: dict[str, PrefectFuture[Any]] = {}
    for step in case.plan.steps:
        if step.id in waiting or step.id in results:
            continue
        upstream = [futures[i] for i in (*step.needs, *step.after) if i in futures] or [first]
        task = named(title(step), step_body(case, step, run_id, results), retries)
        futures[step.id] = task.submit(wait_for=after(upstream))
    return futures


def title(step: Step) -> str:
    """`sso: grant All Staff`."""
    return f"{step.app}: {step.verb}" + (f" {step.entitlement}" if step.entitlement else "")


def step_body(case: Case, step: Step, run_id: str, results: dict[str, StepOutcome]) -> Callable[[], State[Any]]:
    """What the task of a step does."""

    def body() -> State[Any]:
        missing = [i for i in step.needs if results.get(i) not in OK]
        if missing:
            results[step.id] = StepOutcome.BLOCKED
            return State(type=StateType.FAILED, name="Blocked", message=block(case, step, run_id, missing))
        try:
            results[step.id] = apply(case, step, run_id, again=runtime.task_run.run_count > 1)
        except ConnectorError as error:
            results[step.id] = StepOutcome.FAILED
            if isinstance(error, Retryable) and runtime.task_run.run_count <= len(RETRY_DELAYS):
                raise
            ask(case, step, run_id, str(error), error)
            return Failed(message=str(error))
        if results[step.id] is StepOutcome.TASK:
            return Completed(name="Manual task", message="a person was asked to do this")
        return Completed(name="Already" if results[step.id] is StepOutcome.ALREADY else "Done")

    return body


def ends(case: Case, futures: dict[str, PrefectFuture[Any]]) -> list[PrefectFuture[Any]]:
    """The tasks that no other step waits for."""
    upstream = {i for step in case.plan.steps if step.id in futures for i in (*step.needs, *step.after)}
    return [future for i, future in futures.items() if i not in upstream]
