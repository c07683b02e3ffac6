"""How a call is made: its options, deadlines and the names of models."""
