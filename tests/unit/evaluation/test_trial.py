"""How two versions compare on a trial."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from churn.core import params
from churn.core.params import MetricName
from churn.data.split import hash_share
from churn.evaluation.trial import Comparison, Tried, compare
from tests.conftest import PARAMS

MARGINS: dict[MetricName, float] = {"cost": 0.03}
DECISION = params.load(PARAMS).decision
COUNT = 6000


@pytest.fixture(scope="module")
def customers() -> pd.DataFrame:
    """Return customers with a label, and probabilities of two versions, of which one is worse."""
    draw = np.random.default_rng(0)
    churned = (draw.random(COUNT) < 0.2).astype(int)
    good = np.clip(0.2 + 0.4 * (churned - 0.2) + draw.normal(0, 0.1, COUNT), 0.01, 0.99)
    bad = np.clip(0.2 + draw.normal(0, 0.15, COUNT), 0.01, 0.99)
    ids = [f"C{i}" for i in range(COUNT)]
    return pd.DataFrame({"customer_id": ids, "churned": churned, "good": good, "bad": bad})


def rows(customers: pd.DataFrame, version: str, role: str) -> pd.DataFrame:
    probability = customers[version]
    return pd.DataFrame(
        {
            "request_id": "r" + customers["customer_id"],
            "time": pd.Timestamp("2026-02-28", tz="UTC"),
            "row": 0,
            "customer_id": customers["customer_id"],
            "probability": probability,
            "prediction": (probability >= 0.3).astype(int),
            "role": role,
            "scoring_ms": 2.0 if role == "champion" else 3.0,
        }
    )


def labels(customers: pd.DataFrame) -> pd.Series:
    return customers.set_index("customer_id")["churned"]


def in_the_shadow(customers: pd.DataFrame, champion: str, challenger: str) -> Comparison:
    log = pd.concat([rows(customers, champion, "champion"), rows(customers, challenger, "shadow")])
    return compare(log, labels(customers), Tried(1.0, True, "4"), DECISION, MARGINS)


def divided(customers: pd.DataFrame, champion: str, challenger: str, share: float) -> Comparison:
    chosen = hash_share(customers["customer_id"], "4") < share
    log = pd.concat(
        [
            rows(customers[~chosen], champion, "champion"),
            rows(customers[chosen], challenger, "challenger"),
        ]
    )
    mixed = log.sample(frac=1, random_state=0)
    return compare(mixed, labels(customers), Tried(share, False, "4"), DECISION, MARGINS)


@pytest.mark.slow
def test_in_the_shadow_a_worse_version_is_told_customer_by_customer(
    customers: pd.DataFrame,
) -> None:
    found = in_the_shadow(customers, "good", "bad")
    assert found.cost is not None and found.log_loss is not None
    assert (found.cost.word, found.log_loss.word) == ("worse", "worse")
    assert found.cost.lower < found.cost.difference < found.cost.upper
    assert found.cost.customers == COUNT
    better = in_the_shadow(customers, "bad", "good")
    assert better.cost is not None
    assert better.cost.word == "better"
    assert better.cost.difference == pytest.approx(-found.cost.difference)


@pytest.mark.slow
def test_the_difference_is_that_of_the_mean_costs(customers: pd.DataFrame) -> None:
    found = in_the_shadow(customers, "good", "bad")
    churned = customers["churned"].to_numpy()

    def cost(version: str) -> float:
        decided = (customers[version] >= 0.3).to_numpy()
        return float(
            np.where(
                churned == 1,
                DECISION.cost_false_negative * ~decided,
                DECISION.cost_false_positive * decided,
            ).mean()
        )

    assert found.cost is not None
    assert found.cost.difference == pytest.approx(cost("bad") - cost("good"))


@pytest.mark.slow
def test_two_groups_of_equal_versions_differ_by_nothing_that_can_be_told(
    customers: pd.DataFrame,
) -> None:
    found = divided(customers, "good", "good", 0.3)
    assert found.champion.customers + found.challenger.customers == COUNT
    assert 0.25 < found.challenger.customers / COUNT < 0.35
    for interval in (found.predicted, found.cost, found.log_loss):
        assert interval is not None
        assert interval.lower < 0 < interval.upper
    assert found.cost is not None
    assert found.cost.word in ("cannot tell", "not worse")


@pytest.mark.slow
def test_two_groups_of_which_one_gets_a_worse_version_are_told_apart(
    customers: pd.DataFrame,
) -> None:
    found = divided(customers, "good", "bad", 0.5)
    assert found.log_loss is not None
    assert found.log_loss.word == "worse"


@pytest.mark.slow
def test_without_labels_only_the_predictions_are_compared(customers: pd.DataFrame) -> None:
    log = pd.concat([rows(customers, "good", "champion"), rows(customers, "bad", "shadow")])
    found = compare(log, None, Tried(1.0, True, "4"), DECISION, MARGINS)
    assert (found.cost, found.log_loss) == (None, None)
    assert found.predicted is not None
    expected = (customers["bad"] >= 0.3).mean() - (customers["good"] >= 0.3).mean()
    assert found.predicted.difference == pytest.approx(expected)
    assert (found.champion.p95_ms, found.challenger.p95_ms) == (2.0, 3.0)


def test_each_customer_counts_once_and_on_its_own_side(customers: pd.DataFrame) -> None:
    few = customers.head(500)
    chosen = hash_share(few["customer_id"], "4") < 0.5
    first = rows(few, "good", "champion")  # from before the server knew of the trial
    then = pd.concat(
        [rows(few[~chosen], "good", "champion"), rows(few[chosen], "bad", "challenger")]
    )
    again = then.assign(request_id="again")
    whole = pd.concat([first, then, again])
    found = compare(whole, None, Tried(0.5, False, "4"), DECISION, MARGINS)
    assert found.champion.customers == int((~chosen).sum())
    assert found.challenger.customers == int(chosen.sum())


def test_customers_without_an_id_are_told_apart_by_their_requests(customers: pd.DataFrame) -> None:
    few = rows(customers.head(9), "good", "champion").assign(customer_id=None, request_id="same")
    few["time"] += pd.to_timedelta(range(9), unit="s")
    found = compare(few, None, Tried(0.5, False, "4"), DECISION, MARGINS)
    assert found.champion.customers == 9
    assert (found.challenger.customers, found.predicted) == (0, None)


def test_what_the_challenger_could_not_answer_is_counted_apart(customers: pd.DataFrame) -> None:
    few = customers.head(40)
    log = pd.concat(
        [rows(few.head(30), "good", "champion"), rows(few.tail(10), "good", "fallback")]
    )
    found = compare(log, None, Tried(1e-9, False, "4"), DECISION, MARGINS)
    assert found.failures == 10
    assert found.champion.customers == 30


@pytest.mark.slow
def test_customers_whom_the_shadow_was_to_predict_and_has_not_are_counted(
    customers: pd.DataFrame,
) -> None:
    few = customers.head(1000)
    chosen = hash_share(few["customer_id"], "4") < 0.5
    its = rows(few[chosen], "good", "shadow")
    champion = rows(few, "good", "champion")
    tried = Tried(0.5, True, "4")
    assert compare(pd.concat([champion, its]), None, tried, DECISION, MARGINS).failures == 0
    log = pd.concat([champion, its.iloc[7:]])
    assert compare(log, None, tried, DECISION, MARGINS).failures == 7
    # Those after its last prediction may be on their way.
    later = champion.assign(time=champion["time"] + pd.Timedelta(seconds=1), request_id="later")
    later["customer_id"] = "D" + later["customer_id"]
    log = pd.concat([champion, its, later])
    assert compare(log, None, tried, DECISION, MARGINS).failures == 0


def request(name: str, roles: list[str], scoring_ms: dict[str, float]) -> pd.DataFrame:
    """Return the rows of a request about so many customers, of whom each was predicted by one."""
    return pd.DataFrame(
        {
            "request_id": name,
            "time": pd.Timestamp("2026-02-28", tz="UTC"),
            "row": range(len(roles)),
            "customer_id": None,
            "probability": 0.5,
            "prediction": 1,
            "role": roles,
            "scoring_ms": [scoring_ms[role] for role in roles],
        }
    )


def test_both_sides_are_timed_by_requests_about_one_customer() -> None:
    # Of large requests the challenger has a tenth, and it is the slower one all the same.
    large = ["champion"] * 90 + ["challenger"] * 10
    log = pd.concat(
        [
            *(request(f"l{i}", large, {"champion": 9.0, "challenger": 2.0}) for i in range(20)),
            *(request(f"a{i}", ["champion"], {"champion": 1.0}) for i in range(9)),
            *(request(f"b{i}", ["challenger"], {"challenger": 1.5}) for i in range(3)),
        ]
    )
    found = compare(log, None, Tried(0.1, False, "4"), DECISION, MARGINS)
    assert (found.champion.requests, found.challenger.requests) == (9, 3)
    assert (found.champion.p95_ms, found.challenger.p95_ms) == (1.0, 1.5)


def test_without_such_requests_each_request_counts_once() -> None:
    few = {"champion": 1.0, "challenger": 2.0}
    slow = {"champion": 8.0, "challenger": 9.0}
    log = pd.concat(
        [request(f"l{i}", ["champion", "challenger"], few) for i in range(39)]
        + [request("slow", ["champion"] * 900 + ["challenger"] * 100, slow)]
    )
    found = compare(log, None, Tried(0.1, False, "4"), DECISION, MARGINS)
    assert (found.champion.requests, found.challenger.requests) == (40, 40)
    assert (found.champion.p95_ms, found.challenger.p95_ms) == (1.0, 2.0)


def test_a_log_without_times_says_so(customers: pd.DataFrame) -> None:
    log = rows(customers.head(9), "good", "champion").assign(scoring_ms=None)
    found = compare(log, None, Tried(0.5, False, "4"), DECISION, MARGINS)
    assert found.champion.requests == 0
    assert np.isnan(found.champion.p95_ms)
