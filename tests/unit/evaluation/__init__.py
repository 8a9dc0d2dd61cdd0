"""Unit tests of churn.evaluation."""
