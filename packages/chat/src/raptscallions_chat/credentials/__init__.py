"""The tenants' own keys of AI gateways: encrypted at rest, resolved along the tree, opened as clients."""
