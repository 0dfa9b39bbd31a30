"""
Stand-ins for the libraries that TensorRT's plugins are linked against: cuBLAS, cuBLASLt and cuDNN.

They let the libraries load, and hold nothing: every function is empty. The builder measures its own kernels
then. Real ones would be more than a gigabyte; no plugin that uses them may run over these.
"""

import re
from pathlib import Path

from gpupack.running import ask

_NEEDED = re.compile(r"\(NEEDED\).*\[(lib(?:cublas|cublasLt|cudnn)\.so\.\d+)\]")


def make_stubs(library: Path, folder: Path) -> list[Path]:
    """Compile a stub into ``folder`` for each of the three that ``library`` needs; return their paths."""
    symbols = ask(["nm", "-D", "--undefined-only", "--with-symbol-versions", library])
    needed = _NEEDED.findall(ask(["readelf", "-d", library]))
    return [_stub(name, functions_of(name, symbols), folder) for name in needed]


def functions_of(name: str, symbols: str) -> list[str]:
    """Return the functions that a listing of ``nm`` asks of ``name``, which is their version, too."""
    return re.findall(rf"\bU (\w+)@{re.escape(name)}$", symbols, re.MULTILINE)


def _stub(name: str, functions: list[str], folder: Path) -> Path:
    library, source, versions = folder / name, folder / f"{name}.c", folder / f"{name}.map"
    source.write_text("".join(f"void *{function}(void) {{ return 0; }}\n" for function in functions))
    versions.write_text(f"{name} {{ global: *; }};\n")
    flags = ["-w", "-fno-builtin", "-shared", "-nostdlib", f"-Wl,-soname,{name}"]
    ask(["cc", *flags, f"-Wl,--version-script={versions}", "-o", library, source])
    source.unlink()
    versions.unlink()
    return library
