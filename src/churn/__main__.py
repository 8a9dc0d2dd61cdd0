"""`python -m churn` is the same as `churn`."""

from churn.cli.main import main

main()
