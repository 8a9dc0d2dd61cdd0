"""The model: features, estimator, decision threshold, and how it is stored."""
