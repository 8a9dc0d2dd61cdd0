"""Unit tests of churn.review.report."""
