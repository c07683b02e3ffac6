"""The dialect of proxies of tinyagent's and pi's kind, our own among them. Private."""
