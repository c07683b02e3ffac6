"""What comes out: chunks while an answer arrives, the stream that yields them, and the result at its end."""
