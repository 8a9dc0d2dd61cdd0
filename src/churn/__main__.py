"""`python -m churn` is the same as `churn`."""

from churn.cli import main

main()
