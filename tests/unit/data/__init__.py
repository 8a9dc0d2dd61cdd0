"""Unit tests of churn.data."""
