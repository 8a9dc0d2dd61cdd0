"""Search for better hyperparameters, and tell whether the best one found is better.

Reads the training rows only. No verdict on a pull request is computed with it.
"""
