"""Predict on a cluster: the verified bytes of a version, shipped with a Spark job.

The driver asks the registry once; executors ask nobody. Nothing here decides what an answer is:
`serve` and `model` do, with the same bits as on one machine.
"""

# Spark 4.3 says it in each process; what is used of Spark here takes and gives Arrow, not pandas.
WARNING = "PySpark does not yet fully support pandas"
