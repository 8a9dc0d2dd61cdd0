"""Unit tests of churn.serve."""
