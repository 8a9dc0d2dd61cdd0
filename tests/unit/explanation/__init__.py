"""Unit tests of churn.explanation."""
