"""Train, test, compare and deploy a churn model from pull requests."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("churn")
except PackageNotFoundError:  # run from a clone that is not installed (`mlflow run <git address>`)
    __version__ = "0+unknown"
