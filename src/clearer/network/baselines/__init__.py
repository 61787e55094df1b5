"""Networks of other systems, which a run may train in place of an architecture; each is a file of `clearer.methods`."""
