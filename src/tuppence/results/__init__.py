"""Results of evaluations, their comparison with stored results, and the port that stores them."""
