"""Unit tests of churn.report."""
