"""The regular jobs for Airflow: a DAG each. `AIRFLOW__CORE__DAGS_FOLDER` names this folder."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import jobs
from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException


def _run(name: str) -> None:
    try:
        jobs.run(jobs.load()[name], logging.getLogger(__name__).info)
    except jobs.JobError as error:
        if error.may_pass:
            raise
        raise AirflowFailException(str(error)) from error  # no retry


def _alert(context: dict[str, Any]) -> None:
    jobs.alert(context["dag"].dag_id, str(context["exception"]))


for job in jobs.load().values():
    with DAG(
        f"churn_{job.name}",
        description=job.what,
        schedule=job.schedule,
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=False,
    ):
        PythonOperator(
            task_id=job.name,
            python_callable=_run,
            op_args=[job.name],
            retries=jobs.RETRIES,
            retry_delay=timedelta(seconds=jobs.RETRY_DELAY_S),
            on_failure_callback=_alert,
        )
