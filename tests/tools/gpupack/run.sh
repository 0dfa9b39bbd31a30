#!/bin/sh
# Prove TensorRT on this machine's GPU with what `make gpu` packed. No package index is needed, and no Python.
#
#   sh run.sh [tests|networks|speed ...]     everything, or some of it; the results are in results/
#
# Needs tar, xz and NVIDIA's driver; 6 GB of disk, and 6 GiB of memory for each of GPU_JOBS tests at a time.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
into=${GPU_FOLDER:-$here/unpacked}
results=${GPU_RESULTS:-$here/results}
jobs=${GPU_JOBS:-1}
what=${*:-tests networks speed}
status=0
done_=" "

fail() { echo "run.sh: $*" >&2; exit 1; }

# Unpack an archive once, whole or from its parts.
unpack() {
  [ -e "$into/.$1" ] && return
  echo "unpacking $1"
  cat "$here/$1.tar.xz"* | xz -d -c -T0 | tar -x -f - -C "$into"
  touch "$into/.$1"
}

# One release: its libraries first, then Python's own; children inherit both.
with_release() {
  release=$1; shift
  env LD_LIBRARY_PATH="$into/$release/tensorrt:$into/python/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" \
    PYTHONHOME="$into/python" PYTHONDONTWRITEBYTECODE=1 \
    PYTHONPATH="$into/project/tests/tools:$into/project/tests/support:$into/project/operator:$into/project/builder-image:$into/$release" \
    "$into/python/bin/python3.10" "$@"
}

# Run one part for one release, keep what it said, and remember a failure.
part() {
  name=$1; release=$2; shift 2
  echo "$release: $name"
  with_release "$release" "$@" >"$results/$release-$name.log" 2>&1 || { status=1; echo "$release: $name failed"; }
  tail -n 1 "$results/$release-$name.log"
}

command -v nvidia-smi >/dev/null || fail "no NVIDIA driver: nvidia-smi is not there"
command -v xz >/dev/null || fail "xz is not installed"
mkdir -p "$into" "$results"
(cd "$here" && sha256sum --quiet -c SHA256SUMS) || fail "a file did not arrive whole"
nvidia-smi --query-gpu=name,driver_version --format=csv,noheader | tee "$results/gpu.txt"
for archive in project networks python; do unpack $archive; done
cd "$into/project"
for file in "$here"/tensorrt-*.tar.xz*; do
  release=$(basename "$file" | sed 's/\.tar\.xz.*//')
  case "$done_" in *" $release "*) continue ;; esac
  done_="$done_ $release "
  unpack "$release"
  for one in $what; do
    case $one in
      tests) part tests "$release" -m pytest -q -ra -n "$jobs" -p no:cacheprovider tests/gpu ;;
      networks) part networks "$release" -m accuracy_checks engines "$into/networks" "$results/$release-networks.json" --flavor TensorRT ;;
      speed) part speed "$release" tests/bench/bench_several_builds.py ;;
      *) fail "$one: use tests, networks or speed" ;;
    esac
  done
done
exit $status
