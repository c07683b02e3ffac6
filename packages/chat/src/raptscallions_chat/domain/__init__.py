"""What holds whatever the database, the web framework and the model are: pure, no I/O, no clock."""
