"""Unit tests of churn.model."""
