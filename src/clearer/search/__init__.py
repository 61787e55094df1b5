"""The search: its objectives, the bilevel loop, and what to look at in it."""
