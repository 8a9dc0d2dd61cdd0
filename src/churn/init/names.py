"""What the name of a column says: words that people use for ids, targets and customers' habits."""

from __future__ import annotations

import re


def _each(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ID = _each(
    "id ids uuid guid key customerid clientid userid accountid memberid customernumber number no nr"
    " rownumber email kundennummer nummer msisdn phone"
)
_CUSTOMER = _each("customer client user account member subscriber kunde person patient household")
_TARGET = _each(
    "churn churned churner left leaver leaves exited exit attrition attrited cancelled canceled"
    " cancel target label lapsed lost abwanderung gekündigt"
)
POSITIVE = _each(
    "yes y true t 1 churn churned churner left leaver exited lost cancelled canceled lapsed gone"
    " attrited ja oui si sí inactive"
) | {"attrited customer"}
_PROTECTED = _each(
    "age sex gender race ethnicity nationality religion disability senior alter geschlecht"
)
_ROLES = {
    "recency": "recency days since last",
    "frequency": "frequency orders order purchases transactions visits bookings invoices",
    "monetary": "monetary spent spend revenue amount sales charges turnover value",
    "tenure": "tenure signup months age seniority",
    "trouble": "tickets complaints returns calls cases incidents",
}
_NOT_MONEY = _each("average avg mean monthly daily")


def words(name: str) -> list[str]:
    """Split a name: ``customerID``, ``customer_id`` and ``Customer Id`` are the same two words."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return re.findall(r"[^\W_]+", spaced.lower())


def is_id(name: str) -> bool:
    """Tell whether a name is one of an id."""
    found = words(name)
    return bool(found) and (found[-1] in _ID or (len(found) == 1 and found[0] in _CUSTOMER))


def names_customer(name: str) -> bool:
    """Tell whether a name speaks of a customer, as that of the id does."""
    return bool(_CUSTOMER.intersection(words(name)) or "customerid" in words(name))


def is_target(name: str) -> bool:
    """Tell whether a name is one of who has churned."""
    return bool(_TARGET.intersection(words(name)))


def is_protected(name: str) -> bool:
    """Tell whether the law or decency may require to treat these groups alike."""
    return bool(_PROTECTED.intersection(words(name)))


def habit(name: str) -> str | None:
    """Return what a number says of a customer: recency, frequency, monetary, tenure or trouble."""
    found = set(words(name))
    if "since" in found and {"signup", "registration", "joined", "start"} & found:
        return "tenure"
    for role, of_role in _ROLES.items():
        if found & _each(of_role) and not (role == "monetary" and found & _NOT_MONEY):
            if role == "recency" and not found & {"recency", "since", "last", "days"}:
                continue
            return role
    return None
