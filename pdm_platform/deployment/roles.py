"""What an account at the broker may be."""

from enum import StrEnum


class Role(StrEnum):
    """What an account made by `pdmctl devices add` may do."""

    DEVICE = "device"
    COLLECTOR = "collector"
    GATEWAY = "gateway"
    READER = "reader"
