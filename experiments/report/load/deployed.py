"""What a network is worth in ONNX Runtime, in float32 and in eight-bit integers, as the report shows it. Of old records
and of runs without deploy=int8 nothing."""

from collections.abc import Callable

from experiments.records.record import Deployed, Deployment
from experiments.report.load.runs import Figure, Run

BATCH = "1"
ACCURACY = {"time_cut_int8": "int8"}  # which accuracy belongs to an axis of time; to others the fine-tuned network's


def deployment_of(run: Run) -> Deployment | None:
    """The files are of the fine-tuned network; its shape from scratch has none."""
    return None if run.scratch else run.record.deployment


def deployed_figures() -> list[Figure]:
    """Accuracy of the integers; and time saved against the dense network in float32, by precision."""
    runtime = "ONNX Runtime, batch 1"
    return [
        Figure("int8", "int8", "share", accuracy_int8),
        Figure("time_cut_fp32", f"time cut, float32, {runtime}", "cut", time_cut(lambda each: each.tuned), True),
        Figure("time_cut_int8", f"time cut, int8, {runtime}", "cut", time_cut(lambda each: each.tuned_int8), True),
    ]


def accuracy_int8(run: Run) -> float | None:
    deployment = deployment_of(run)
    return None if deployment is None else deployment.tuned_int8.accuracy


def time_cut(network: Callable[[Deployment], Deployed]) -> Callable[[Run], float | None]:
    def of(run: Run) -> float | None:
        deployment = deployment_of(run)
        if deployment is None:
            return None
        before, after = (each.latency_ms.get(BATCH) for each in (deployment.dense, network(deployment)))
        return None if before is None or after is None else 1 - after / before

    return of
