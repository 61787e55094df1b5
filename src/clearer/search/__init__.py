"""Architecture search: its objectives, the bilevel job, convergence, and scores by shared weights."""
