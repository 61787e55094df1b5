"""The paper's tables and figures made again, and the questions it leaves open put to the test."""
