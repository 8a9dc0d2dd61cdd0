"""Read, check, split and summarise the customer table.

No other package converts cells.
"""
