"""Releases to a real registry: MLflow's server with users, on PostgreSQL, with its files in S3."""
