"""MLflow: the connection to it, its runs, and the model as it stores and serves it.

The only package that opens a run. Registered versions are in `registry`.
"""
