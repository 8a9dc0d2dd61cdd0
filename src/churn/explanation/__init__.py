"""Why a model predicts what it predicts: SHAP values of the raw columns.

The only package that imports shap, and only when reasons are asked for: predictions do not wait
for it. Nothing here decides.
"""
