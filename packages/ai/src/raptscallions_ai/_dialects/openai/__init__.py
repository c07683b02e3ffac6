"""The dialect of OpenAI chat completions, which OpenRouter and most gateways speak. Private."""
