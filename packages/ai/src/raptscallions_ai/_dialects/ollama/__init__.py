"""The dialect of Ollama's own API. Private."""
