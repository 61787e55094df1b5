"""HubMixin: a restorer's methods for the Hugging Face Hub."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from torch import nn

from clearer.core.deprecation import warn_of_former
from clearer.core.errors import UserError
from clearer.network.network import RestorationNetwork
from clearer.zoo import hub
from clearer.zoo.card import CardResult, ModelCard, as_results
from clearer.zoo.locate import located
from clearer.zoo.weights import load_weights

if TYPE_CHECKING:
    from huggingface_hub import HfApi


class HubMixin(ABC):
    """Methods that write a model as a folder for the Hub, load it from there, or upload it."""

    network: nn.Module
    card: ModelCard

    @abstractmethod
    def __init__(
        self,
        network: RestorationNetwork,
        card: ModelCard | None = None,
        *,
        device: str = "auto",
        precision: str = "auto",
    ) -> None: ...

    def save_pretrained(
        self,
        folder: str | Path,
        *,
        name: str | None = None,
        results: Sequence[CardResult | Mapping[str, Any]] = (),
        data: str | None = None,
        license: str | None = None,
        licence: str | None = None,
    ) -> Path:
        """Write the model as a folder for the Hugging Face Hub; return the folder.

        Args:
            folder: created if missing; its ``model.safetensors``, ``config.json`` and ``README.md`` are replaced.
            name: by which others load the model; its last part is the title. Default: the folder's name.
            results: measurements for the README: what `clearer.evaluate` returns, or the JSON files in a
                run's ``evaluation`` folder hold. Default: those of the card.
            data: the training images, in words. Default: those of the card.
            license: of the weights, as the Hub writes it, such as ``"apache-2.0"``. The terms of the training
                images bear on it, so nothing is assumed. Default: that of the card.
            licence: former name of ``license``.

        Raises:
            UserError: huggingface-hub is not installed, the model is an exported file, or the folder cannot
                be written.
        """
        network, license = self._trained(folder), _license_of(license, licence)
        return hub.save_folder(
            network, self.card, folder, name=name, results=as_results(results), data=data, license=license
        )

    @classmethod
    def from_pretrained(
        cls,
        name_or_folder: str | Path,
        *,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        device: str = "auto",
        precision: str = "auto",
    ) -> Self:
        """Return the restorer of a folder that `save_pretrained` wrote, or of a model on the Hugging Face Hub.

        Only ``model.safetensors`` is downloaded and read. No code of the model runs.

        Args:
            name_or_folder: a folder, or a name on the Hub, such as ``"someone/denoise-gray"``.
            revision, token, cache_dir, local_files_only: see ``huggingface_hub.hf_hub_download``.
            device, precision: see `clearer.load`.

        Raises:
            UserError: there is no such folder or model, it is not a model of clearer, or the Hub cannot be reached.
        """
        path = Path(name_or_folder)
        if not path.is_dir():
            path = hub.download(
                name_or_folder,
                revision=revision,
                token=token,
                cache_dir=cache_dir,
                local_files_only=local_files_only,
            )
        network, card = load_weights(located(path))
        return cls(network, card, device=device, precision=precision)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        results: Sequence[CardResult | Mapping[str, Any]] = (),
        data: str | None = None,
        license: str | None = None,
        licence: str | None = None,
        private: bool | None = None,
        token: str | bool | None = None,
        commit_message: str = "Upload a model of clearer",
        api: HfApi | None = None,
    ) -> str:
        """Upload the model to the Hugging Face Hub; return the commit's URL. A missing repository is created.

        Args:
            repo_id: ``NAMESPACE/NAME``.
            results, data, license, licence: see `save_pretrained`.
            private: whether a new repository is private.
            token: access token; None uses the one that ``hf auth login`` stored.
            commit_message: of the upload, which is one commit.
            api: the Hub client; by default a new one with ``token``.

        Raises:
            UserError: see `save_pretrained`; or the Hub cannot be reached or refuses.
        """
        return hub.upload(
            self._trained(repo_id),
            self.card,
            repo_id,
            results=as_results(results),
            data=data,
            license=_license_of(license, licence),
            private=private,
            token=token,
            commit_message=commit_message,
            api=api,
        )

    def _trained(self, target: str | Path) -> RestorationNetwork:
        """Return the network, whose weights can be written to ``target``.

        Raises:
            UserError: the network runs an exported file, whose weights cannot be taken out.
        """
        if not isinstance(self.network, RestorationNetwork):
            raise UserError(f"{target}: an exported model cannot be saved as weights; load its weight file or run")
        return self.network


def _license_of(license: str | None, licence: str | None) -> str | None:
    if licence is not None:
        warn_of_former("licence=")
    return license or licence
