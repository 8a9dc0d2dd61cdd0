"""Each module by itself; the folders are those of src/churn."""
