"""Twins of the vendors of one fictional company: stateful HTTP servers that share no code with the connectors."""

from connectors.sandbox.addresses import environment
from connectors.sandbox.process import Sandbox, TwinControl

__all__ = ["Sandbox", "TwinControl", "environment"]
