"""The diagram service: stores diagrams and all their versions."""
