"""Tests of churn.init."""
