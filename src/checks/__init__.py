"""deepchecks, alone in its own environment (docs/adr/0001): files in, one JSON file out.

Nothing here imports `churn`, and nothing in `churn` imports this: the two share file formats only.
"""
