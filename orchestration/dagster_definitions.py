"""The regular jobs for Dagster, as assets: `dagster dev -d orchestration -f …` with this file."""

import dagster as dg
import jobs


def _asset(job: jobs.Job) -> dg.AssetsDefinition:
    policy = dg.RetryPolicy(max_retries=jobs.RETRIES, delay=jobs.RETRY_DELAY_S)

    @dg.asset(name=job.name, description=job.what, retry_policy=policy)
    def run(context: dg.AssetExecutionContext) -> None:
        try:
            jobs.run(job, context.log.info)
        except jobs.JobError as error:
            raise dg.Failure(str(error), allow_retries=error.may_pass) from error

    return run


def _schedule(job: jobs.Job) -> dg.ScheduleDefinition:
    return dg.ScheduleDefinition(
        name=job.name,
        target=dg.AssetSelection.assets(job.name),
        cron_schedule=job.schedule,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )


@dg.run_failure_sensor(default_status=dg.DefaultSensorStatus.RUNNING)
def alert(context: dg.RunFailureSensorContext) -> None:
    """Tell that a run has failed."""
    for event in context.get_step_failure_events():
        jobs.alert(f"churn {event.step_key}", event.step_failure_data.error_display_string)


_JOBS = jobs.load().values()
defs = dg.Definitions(
    assets=[_asset(job) for job in _JOBS],
    schedules=[_schedule(job) for job in _JOBS],
    sensors=[alert],
)
