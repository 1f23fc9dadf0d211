# Shared by start and test: system packages and the virtual environment, only where missing.
# Sourced, not run; expects the caller to be in the repository's top folder.

say() { printf '%s\n' "$*" >&2; }

SYSTEM_PACKAGES="python3 python3-venv libegl1 libgl1 libopengl0 libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4
libxcb-keysyms1 libxcb-shape0 libxcb-image0 libxcb-render-util0 libxcb-xinerama0 libdbus-1-3 fontconfig
fonts-dejavu-core wordnet-base"

install_system_packages() {
    command -v dpkg-query >/dev/null || { say "This is not Debian or Ubuntu: install the packages named in installers/setup.sh by hand."; return 0; }
    missing=""
    for package in $SYSTEM_PACKAGES "$@"; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q "install ok installed" || missing="$missing $package"
    done
    [ -z "$missing" ] && return 0
    say "Installing system packages:$missing"
    as_root=""
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || { say "Please install as root:$missing"; exit 1; }
        as_root="sudo"
    fi
    $as_root apt-get update -qq
    # shellcheck disable=SC2086
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
}

find_python() {
    for candidate in python3.11 python3.12 python3.13 python3; do
        if command -v "$candidate" >/dev/null && "$candidate" -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null; then
            echo "$candidate"
            return 0
        fi
    done
    say "Tomoscribe needs Python 3.11, 3.12 or 3.13."
    exit 1
}

# install_python_packages EXTRAS: the stamp holds what was installed, so a second start does nothing.
install_python_packages() {
    extras="$1"
    stamp=".venv/.installed-${extras:-base}"
    wanted="$(cat pyproject.toml installers/constraints.txt | sha256sum | cut -d" " -f1)"
    [ -x .venv/bin/python ] || "$(find_python)" -m venv .venv
    [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && return 0
    say "Installing Python packages (the first time takes some minutes) ..."
    # torch first and alone, so that nothing else chooses its version.
    .venv/bin/python -c 'import torch' 2>/dev/null || .venv/bin/pip install -q "torch==2.13.0"
    .venv/bin/pip install -q -c installers/constraints.txt -e ".${extras:+[$extras]}"
    echo "$wanted" > "$stamp"
}
