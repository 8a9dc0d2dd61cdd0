"""A churn model, from a customer table to a trained, tested and tracked candidate."""
