"""Version 2 of the interface, by the name that databroker has for it: ``v2.Broker``."""

from .broker import Broker

__all__ = ["Broker"]
