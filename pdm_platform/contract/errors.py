"""The one tree of errors. Each says what failed, with which value, and what to do next.

A leaf that a single module raises stands in that module.
"""

from collections.abc import Mapping


class PdmError(Exception):
    """Something a user can mend. `code` is stable and searchable; `hint` says what to do next."""

    code = "PDM-000"

    def __init__(self, what: str, *, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        text = f"{self.code} {self.what}"
        return f"{text}\n  {self.hint}" if self.hint else text


class SettingsError(PdmError):
    """A setting is missing or has a value that cannot be used."""

    code = "PDM-CONFIG-001"


class PayloadError(PdmError):
    """A payload does not keep the contract; `what` is the reason that goes to quarantine."""

    code = "PDM-PAYLOAD-001"


class TopicError(PayloadError):
    """A topic that the contract does not know."""

    code = "PDM-PAYLOAD-002"


class BrokerError(PdmError):
    """The broker cannot be reached or answered with an error."""

    code = "PDM-BROKER-001"


class BrokerRefusedError(BrokerError):
    """The broker refused the credentials; trying again would not help."""

    code = "PDM-BROKER-002"


class StoreError(PdmError):
    """The time-series store cannot be opened, read or written."""

    code = "PDM-STORE-001"


class StoreBusyError(StoreError):
    """The store asks to come back later. `retry_after_s`: how much later; 0 where it did not say."""

    code = "PDM-STORE-002"

    def __init__(self, what: str, *, hint: str = "", retry_after_s: float = 0.0) -> None:
        super().__init__(what, hint=hint)
        self.retry_after_s = retry_after_s


class StoreAccessError(StoreError):
    """The store refused the token, or what was asked with it."""

    code = "PDM-STORE-003"


class RowsRefusedError(StoreError):
    """The store refused these rows of a write for ever, and has stored all others.

    refused: the store's own reason for each, by the row's position in what was written.
    """

    code = "PDM-STORE-004"

    def __init__(self, what: str, *, hint: str = "", refused: Mapping[int, str]) -> None:
        super().__init__(what, hint=hint)
        self.refused = dict(sorted(refused.items()))


class LakeError(PdmError):
    """An intermediate result is missing or unreadable."""

    code = "PDM-LAKE-001"


class RegistryError(PdmError):
    """A model version is missing, or the registry cannot do what was asked."""

    code = "PDM-REGISTRY-001"


class IntegrityError(RegistryError):
    """A model version is not what its manifest vouches for. It is not loaded."""

    code = "PDM-REGISTRY-002"


class PromotionRefusedError(RegistryError):
    """The evidence of a model version does not allow its promotion."""

    code = "PDM-REGISTRY-003"


class TrainingError(PdmError):
    """A model cannot be trained from this data."""

    code = "PDM-TRAIN-001"


class ProcessError(PdmError):
    """A process of the stack did not start, or ended when it should not have."""

    code = "PDM-PROCESS-001"
