"""Small tables as people have them, made here."""

from __future__ import annotations

import numpy as np
import pandas as pd

ROWS = 400


def shop(rows: int = ROWS, seed: int = 1) -> pd.DataFrame:
    """Return customers of a shop, who leave the sooner the longer they have not bought."""
    rng = np.random.default_rng(seed)
    days = rng.integers(0, 360, rows)
    left = rng.random(rows) < 1 / (1 + np.exp(-(days - 180) / 60))
    return pd.DataFrame(
        {
            "client": [f"C{i:05d}" for i in range(rows)],
            "days_since_last": days,
            "orders": rng.poisson(3, rows),
            "spent": np.round(rng.gamma(2, 60, rows), 2),
            "country": rng.choice(["DE", "ES", "IT"], rows),
            "plan": rng.choice(["basic", "pro"], rows),
            "left": np.where(left, "yes", "no"),
        }
    )


def telco(rows: int, seed: int = 7) -> pd.DataFrame:
    """Return customers as a well-known table has them: Yes and No, and blanks among the numbers."""
    rng = np.random.default_rng(seed)
    tenure = rng.integers(0, 72, rows)
    contract = rng.choice(["Month-to-month", "One year", "Two year"], rows, p=[0.55, 0.21, 0.24])
    monthly = np.round(rng.normal(65, 25, rows).clip(18), 2)
    total = np.round(monthly * tenure, 2).astype(str)
    churns = -0.6 - 0.04 * tenure + 1.6 * (contract == "Month-to-month")
    return pd.DataFrame(
        {
            "customerID": [f"{i:04d}-{i * 7919 % 9973:04d}" for i in rng.permutation(rows)],
            "gender": rng.choice(["Female", "Male"], rows),
            "SeniorCitizen": rng.integers(0, 2, rows),
            "Partner": rng.choice(["Yes", "No"], rows),
            "tenure": tenure,
            "Contract": contract,
            "MonthlyCharges": monthly,
            "TotalCharges": np.where(tenure == 0, " ", total),
            "Churn": np.where(rng.random(rows) < 1 / (1 + np.exp(-churns)), "Yes", "No"),
        }
    )
