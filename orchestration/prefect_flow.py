"""The regular jobs for Prefect: `python orchestration/prefect_flow.py` runs them, by its server."""

from __future__ import annotations

from typing import Any

import jobs
from prefect import flow, get_run_logger, serve, task


def _may_pass(_task: Any, _run: Any, state: Any) -> bool:
    """Tell Prefect whether to retry."""
    error = state.result(raise_on_failure=False)
    return not isinstance(error, jobs.JobError) or error.may_pass


def _alert(_flow: Any, run: Any, state: Any) -> None:
    jobs.alert(run.name, state.message)


@task(
    task_run_name="{job}",
    retries=jobs.RETRIES,
    retry_delay_seconds=jobs.RETRY_DELAY_S,
    retry_condition_fn=_may_pass,
)
def command(job: str) -> None:
    """Run a job's command."""
    jobs.run(jobs.load()[job], get_run_logger().info)


@flow(name="churn", flow_run_name="churn {job}", on_failure=[_alert], on_crashed=[_alert])
def churn(job: str) -> None:
    """Run a regular job: batch, monitor or retrain."""
    command(job)


if __name__ == "__main__":
    serve(
        *(
            churn.to_deployment(
                job.name,
                description=job.what,
                parameters={"job": job.name},
                cron=job.schedule,
                concurrency_limit=1,
            )
            for job in jobs.load().values()
        )
    )
