"""
The answer to a pod for whose GPU no engine is ready, and that asked for the ONNX model then.

At once, also while an engine is on its way: the next pod gets that. ``resolve`` comes here.
"""

from collections.abc import Mapping
from typing import Any

from ignition_hub.compatibility.engine_choice import EngineNotReady, NoEngineForGPU
from ignition_hub.engine.errors import IgnitionError, Reason
from ignition_hub.engine.quoting import shortened
from ignition_hub.gateway.artifacts.fallback import fallback_of
from ignition_hub.gateway.cluster.pod_events import model_delivered
from ignition_hub.gateway.errors import MESSAGE_CHARACTERS
from ignition_hub.gateway.services import Services
from ignition_hub.kube import TokenUser

OF_THE_MODEL = frozenset(
    {
        Reason.InvalidRequest,
        Reason.InvalidModel,
        Reason.ModelTooLarge,
        Reason.SourceForbidden,
        Reason.SourceNotFound,
    }
)
"""Why a model cannot be delivered until somebody changes the resource or what it names."""


async def fall_back(
    services: Services, user: TokenUser, engine: Mapping[str, Any], miss: EngineNotReady | NoEngineForGPU
) -> dict[str, Any]:
    """
    Return the answer that is the model, and say so on the pod.

    With the GPU, where it is known: by that a pod is told from one that could have an engine by now. Where
    the model cannot be delivered raise ``miss``, and why.
    """
    why, most = shortened(str(miss), MESSAGE_CHARACTERS), services.settings.max_model_bytes
    store = await services.stores.current()
    try:
        answer = await services.quick.run(fallback_of, store, engine, why, most)
    except IgnitionError as error:
        if error.reason not in OF_THE_MODEL:
            raise
        raise without_model(miss, error) from error
    services.metrics.fallbacks.labels(str(miss.reason)).inc()
    services.pod_events.tell(user, model_delivered(answer.name, answer.sha256, why))
    gpu = (await services.views.gpus.belief_of(user)).gpu
    return {**answer.to_json(), **({"gpu": gpu.to_json()} if gpu else {})}


def without_model(
    miss: EngineNotReady | NoEngineForGPU, error: IgnitionError
) -> EngineNotReady | NoEngineForGPU:
    """Build the miss of a pod that cannot have the model either."""
    message = f"{miss.message}; on-miss is Fallback, and the ONNX model cannot be delivered: {error.message}"
    return type(miss)(message, error.remedy or miss.remedy)
