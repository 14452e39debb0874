"""The diagram service: keeps diagrams, and every version of them."""
