"""The classifier: branches, fusion, the predictor, and what trains and scores them."""
