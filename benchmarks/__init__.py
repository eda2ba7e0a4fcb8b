"""How fast the scores are made, against the plain way to make them; and the oracle of the tests."""
