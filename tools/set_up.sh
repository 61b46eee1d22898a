#!/usr/bin/env bash
# Make .venv for `make demo` or `make test`: system packages, interpreter, the project and what it depends on.
# Works with the bash 3.2 of macOS. Does nothing, quickly, when everything is there.
set -euo pipefail
cd "$(dirname "$0")/.."
purpose=$1
case $purpose in
  demo) extras="" packages="libportaudio2" ;;
  test) extras="[test,train]" packages="libportaudio2 pulseaudio pulseaudio-utils libasound2-plugins alsa-utils espeak-ng sox dbus-daemon rtkit ffmpeg chromium openssl" ;;
  *) echo "usage: $0 demo|test" >&2; exit 2 ;;
esac

say() { echo "rtdenoise set-up: $*" >&2; }

suits() { "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; }

find_python() {
  for name in ${PYTHON:-python3 python3.13 python3.12 python3.11 python3.10 python}; do
    if suits "$name"; then command -v "$name"; return; fi
  done
  return 1
}

install_packages() {  # by apt as root; otherwise one line that says what to type
  local missing="" package
  command -v dpkg-query >/dev/null || return 0
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
  done
  [ -n "$missing" ] || return 0
  if [ "$(id -u)" = 0 ]; then
    say "installing$missing"
    export DEBIAN_FRONTEND=noninteractive
    apt-get -o DPkg::Lock::Timeout=300 -qq update >&2 || true
    apt-get -o DPkg::Lock::Timeout=300 -qq install -y --no-install-recommends $missing >&2 && return 0
  fi
  say "missing system packages; type: sudo apt-get install$missing"
  return 1
}

if [ "$(uname -s)" = Linux ]; then
  command -v dpkg-query >/dev/null || say "this is no Debian or Ubuntu: PortAudio has to come from your package manager"
  install_packages $packages || say "going on without them; what needs a sound system will say so"
fi

if ! [ -x .venv/bin/python ] || ! suits .venv/bin/python; then
  if ! python=$(find_python); then
    install_packages python3 python3-venv || true
    python=$(find_python) || { say "no Python 3.10 to 3.13 found; install one, or name it: make $purpose PYTHON=/path/to/python3"; exit 1; }
  fi
  if ! "$python" -c 'import ensurepip' 2>/dev/null; then  # Debian keeps it in a package of its own
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    install_packages "python$version-venv" || exit 1
  fi
  say "making .venv with $("$python" --version)"
  rm -rf .venv
  "$python" -m venv .venv
fi

# What is installed is remembered by the file that asks for it.
stamp=.venv/installed-for-$purpose
if ! cmp -s pyproject.toml "$stamp"; then
  say "installing rtdenoise$extras and what it needs into .venv (some minutes the first time)"
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --editable ".$extras"
  cp pyproject.toml "$stamp"
fi
