"""Unit tests of churn.monitor."""
