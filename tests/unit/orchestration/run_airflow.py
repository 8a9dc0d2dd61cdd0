"""Run the three DAGs in Airflow by `dag.test()`; prints how each run has ended."""

import json
import sys

sys.path.insert(0, sys.argv[1])
import jobs

jobs.RETRY_DELAY_S = 0
from airflow.dag_processing.dagbag import DagBag
from airflow.utils.db import initdb

initdb()
found = DagBag(sys.argv[1])
assert not found.import_errors, found.import_errors
ended = {name: found.dags[f"churn_{name}"].test().state == "success" for name in jobs.load()}
print(json.dumps(ended))
