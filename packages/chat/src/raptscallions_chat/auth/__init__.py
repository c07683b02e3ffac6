"""Who a request is from: API tokens, JWTs, a trusted proxy, the page's cookie, or anybody on this machine."""
