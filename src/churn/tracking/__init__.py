"""MLflow: runs, and the model as MLflow stores and serves it.

The only package that opens a run. What a version is, `registry` knows.
"""
