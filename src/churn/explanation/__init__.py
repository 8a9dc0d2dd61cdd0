"""Why a model predicts what it predicts: SHAP values of the raw columns.

The only package that imports shap. Nothing here decides, and nothing that answers predictions
imports it.
"""
