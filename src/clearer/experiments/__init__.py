"""The paper's tables and figures reproduced, and studies of the questions that it leaves open."""
