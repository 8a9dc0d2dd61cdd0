"""Tests of churn.retrain."""
