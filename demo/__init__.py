"""The whole loop on this machine: from a model in Production to the one that replaces it."""
