"""Architecture search: its objectives, the bilevel job, convergence, and scoring with shared weights."""
