"""From a commit on main to Production, and back.

Releases, promotions and what people ask of them. Nothing here trains or judges: it calls `review`
for that.
"""
