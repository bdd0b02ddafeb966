"""Version 2 of the interface, by the name that databroker has for it: ``v2.Broker``. May import sql."""

from .broker import Broker

__all__ = ["Broker"]
