"""`spark-submit … predict_job.py --model … --input … --output …`: churn predict --engine spark."""

import sys

from churn.cli.main import main

if __name__ == "__main__":
    main(["predict", "--engine", "spark", *sys.argv[1:]])
