"""
The options of ``ignition build``, with their words in the help; ``build`` gives each its name and default.
"""

from pathlib import Path
from typing import Annotated

import typer

Archs = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ARCH", help="GPU architecture such as sm_89; repeatable. Default: this machine's GPU."
    ),
]
BatchSize = Annotated[
    str | None,
    typer.Option(metavar="N", help="N allows batches of 1 to N, tuned for N; or MIN:OPT:MAX."),
]
MaxSequenceLength = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="N allows lengths of 1 to N, tuned for N.")
]
BuildOptions = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE", help="Build option, for example optimizationLevel=5; repeatable."),
]
Checks = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CHECK",
        help="Check to pass, or a setting of it: accuracy, accuracy.rtol=0.01; repeatable.",
    ),
]
Flavor = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="TensorRT or TensorRTRTX. Default: the installed one."),
]
TensorRT = Annotated[
    str | None,
    typer.Option(metavar="VERSION", help="TensorRT version or a prefix of it. Default: the installed one."),
]
Compatibility = Annotated[
    str | None,
    typer.Option(
        metavar="LEVEL",
        help="Product, SameComputeCapability or AmperePlus. Default: Product below TensorRT 10.9 and "
        "on Jetson, else SameComputeCapability.",
    ),
]
Product = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="GPU product for compatibility Product, such as NVIDIA-L4. Default: this machine's.",
    ),
]
ModelName = Annotated[
    str | None, typer.Option(metavar="NAME", help="Name of the model. Default: the file's.")
]
ModelVersion = Annotated[str, typer.Option(metavar="NAME", help="Version of the model.")]
Store = Annotated[
    str | None,
    typer.Option(
        metavar="URI", help="Artifacts store such as s3://bucket/prefix. Default: ARTIFACTS_ENDPOINT."
    ),
]
ForceRebuild = Annotated[
    bool, typer.Option("--force-rebuild", help="Build even if the engine is in a cache or store.")
]
CacheFolder = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Engine cache. Default: TENSORRT_CACHE_DIR, or the user's cache."),
]
EngineFile = Annotated[
    Path | None, typer.Option("--output", metavar="FILE", help="Also copy the engine to this file.")
]
Classic = Annotated[
    bool,
    typer.Option(
        "--classic", help="Also copy it to MODEL_DIR/PRECISION/bsBATCH/MODEL.engine, with .engine.json."
    ),
]
