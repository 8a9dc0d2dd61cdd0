"""What every package may use and what knows no churn: parameters, paths, files, errors, progress.

Nothing here imports another package of churn.
"""
