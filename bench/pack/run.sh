#!/bin/sh
# Runs tests, bench, ladders, peers and calibration on this machine, without a network and without installing anything,
# and writes one JSON file: ./run.sh --help
set -eu
here=$(cd "$(dirname "$0")" && pwd)
export DENO_DIR="$here/cache" DENO_NO_UPDATE_CHECK=1 NO_COLOR=1
# The packed packages stand in cache/npm/packed: Deno looks for a registry's packages in the folder of its host.
export NPM_CONFIG_REGISTRY=http://packed/
export DENO_WEBGPU_BACKEND=vulkan,metal,dx12
export XDG_CACHE_HOME="$here/cache/xdg"
[ -n "${HOME:-}" ] || export HOME="$here/cache/home"
mkdir -p "$XDG_CACHE_HOME"
# Where the machine has no Vulkan loader, the one that was packed; where NVIDIA's driver is there without its manifest, one.
if [ -d "$here/vulkan" ]; then export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$here/vulkan"; fi
if [ -z "${VK_DRIVER_FILES:-}${VK_ICD_FILENAMES:-}" ] &&
  ! ls /usr/share/vulkan/icd.d/*.json /etc/vulkan/icd.d/*.json >/dev/null 2>&1 &&
  ldconfig -p 2>/dev/null | grep -q libGLX_nvidia.so.0; then
  printf '{"file_format_version":"1.0.1","ICD":{"library_path":"libGLX_nvidia.so.0","api_version":"1.3.0"}}\n' \
    >"$here/cache/nvidia_icd.json"
  export VK_DRIVER_FILES="$here/cache/nvidia_icd.json"
fi
chmod +x "$here/deno"
exec "$here/deno" run --cached-only --frozen --node-modules-dir=none --quiet --no-prompt --allow-all \
  "$here/repository/bench/pack/away.ts" "$@"
