"""Sign-in: the flow in a browser, and the identity providers that it leads to."""
