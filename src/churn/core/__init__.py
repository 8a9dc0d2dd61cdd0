"""Parameters, paths, files, errors, other programs and progress, for every package.

Nothing here knows about churn models or imports another package of churn.
"""
