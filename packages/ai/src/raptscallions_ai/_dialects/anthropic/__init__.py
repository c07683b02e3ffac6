"""The dialect of Anthropic Messages, which Claude and many facades speak. Private."""
