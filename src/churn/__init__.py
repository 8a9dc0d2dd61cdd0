"""Train, test, compare and deploy a churn model from pull requests."""
