"""The real workflow files, run with act; third-party actions are swapped for those in actions/."""
