"""What is measured: metrics, slices of customers, curves and their pictures."""
