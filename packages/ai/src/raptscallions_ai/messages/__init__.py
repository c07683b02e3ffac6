"""What goes in: messages and the parts that they are made of."""
