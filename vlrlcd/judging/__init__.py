"""Two answers to one question before a judge: win rates against references, and the judge's own biases."""
