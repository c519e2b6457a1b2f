#!/bin/sh
# Make .venv with all that the system and its tests need. What is missing is told in one line.
set -eu

fail() {
    echo "$*" >&2
    exit 1
}

new_enough() {
    command -v "$1" >/dev/null && "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

python=
for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11 python3.14; do
    if new_enough "$candidate"; then
        python=$candidate
        break
    fi
done
[ "$python" ] || fail "Python 3.11 or later is needed, and this is $(python3 --version 2>/dev/null ||
    echo 'a machine without Python'): install it, or name it with make PYTHON=/path/to/python3"

version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
"$python" -c 'import ensurepip, venv' 2>/dev/null ||
    fail "Python's venv module is missing: install it with: apt-get install python$version-venv"

if ! new_enough .venv/bin/python || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    "$python" -m venv --clear .venv || fail "Making .venv with $python failed."
fi

echo "Installing into .venv (Python $version; once, for a minute or two) ..." >&2
log=.venv/install.log
install() {
    .venv/bin/python -m pip install --disable-pip-version-check --no-input --retries 2 "$@"
}
# What requirements/all.lock says, to the byte: `make lock` renews it.
if ! { install --require-hashes -r requirements/all.lock && install --no-deps -e .; } >$log 2>&1; then
    first=$(grep -m 1 -o 'ERROR: .*' $log || tail -n 1 $log)
    fail "Installing the dependencies failed; is there a network? $first (all of it: $log)"
fi
# What pip does for the others; else the first start would do it, in five services at once.
.venv/bin/python -m compileall -q chassis contracts embedded gateway link_svc news_svc protos \
    social_graph_svc user_svc >>$log 2>&1 || :
touch .venv/installed
