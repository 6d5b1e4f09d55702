"""Interfaces that the use cases need and adapters implement: store, encoder and clock.

A ``Store`` is thread safe. A ``Transaction`` belongs to one thread and sees its own writes. It commits at the end of
its ``with`` block, and rolls back if the block raises.
"""

from service.app.ports.callers import AuditStore, KeyStore
from service.app.ports.clock import Clock
from service.app.ports.digests import DigestStore
from service.app.ports.encoder import Encoder, Vectors
from service.app.ports.ledger import LedgerStore
from service.app.ports.libraries import LibraryStore
from service.app.ports.models import BundleFolders, ModelStore
from service.app.ports.papers import PaperStore, PendingText
from service.app.ports.signals import SignalStore
from service.app.ports.slates import PrecomputedStore, SlateStore
from service.app.ports.statistics import StatisticsStore, StatisticsVersion
from service.app.ports.store import Store, Transaction, Versions
from service.app.ports.users import UserStore

__all__ = [
    "AuditStore",
    "BundleFolders",
    "Clock",
    "DigestStore",
    "Encoder",
    "KeyStore",
    "LedgerStore",
    "LibraryStore",
    "ModelStore",
    "PaperStore",
    "PendingText",
    "PrecomputedStore",
    "SignalStore",
    "SlateStore",
    "StatisticsStore",
    "StatisticsVersion",
    "Store",
    "Transaction",
    "UserStore",
    "Vectors",
    "Versions",
]
