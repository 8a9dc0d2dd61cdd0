"""Run the three jobs in Prefect, on a server that lives as long; prints how each has ended."""

import json

import jobs
import prefect_flow

ended = {name: prefect_flow.churn(name, return_state=True).is_completed() for name in jobs.load()}
print(json.dumps(ended))
