# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# A container image with TensorFlow for CPUs, out of PyPI's wheels and Debian's Python: too large for the
# bundle that every machine loads, so that a test takes it to the machine that it uses.

BED_TENSORFLOW_DEBS="libc6 libgcc-s1 libstdc++6 libtinfo6 bash zlib1g libexpat1 libffi8 libssl3 libbz2-1.0
    liblzma5 libuuid1 libsqlite3-0 python3-distutils python3.11-minimal libpython3.11-minimal libpython3.11-stdlib"

bed_tensorflow_version() { sed -n 's/^tensorflow-cpu==//p' "$BED_HOME/tensorflow.txt"; }
bed_tensorflow_image() { printf 'docker.io/tensorflow/tensorflow:%s\n' "$(bed_tensorflow_version)"; }
bed_tensorflow_archive() {
    printf '%s/tensorflow-%s.tar\n' "$BED_CACHE" \
        "$(cat "$BED_HOME/tensorflow.txt" "$BED_HOME/lib/tensorflow.sh" "$BED_HOME/lib/archive.sh" |
            sha256sum | cut -c1-16)"
}

# bed_tensorflow_site DIR: the wheels, unpacked; nothing in them is run. Headers and static libraries, for
# building against TensorFlow, are a fifth of it.
bed_tensorflow_site() {
    python3 -m venv "$1.venv"
    "$1.venv/bin/pip" install -q --disable-pip-version-check --no-deps --no-compile \
        --only-binary :all: --target "$1" -r "$BED_HOME/tensorflow.txt"
    rm -rf "$1.venv" "$1/tensorflow/include" "$1/bin"
    find "$1" -name '*.a' -delete
    find "$1" -name tests -type d -prune -exec rm -rf {} +
}

bed_tensorflow_build() { # FILE
    local work env
    env='"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin","PYTHONPATH=/opt/site","PYTHONDONTWRITEBYTECODE=1"]'
    rm -f "$BED_CACHE"/tensorflow-*.tar
    work=$(mktemp -d "$BED_CACHE/work.XXXXXX")
    mkdir -p "$work/a" "$work/site/opt"
    # shellcheck disable=SC2086 # a list of names
    bed_debs "$work/python" $BED_TENSORFLOW_DEBS
    bed_busybox "$work/python"
    ln -sf python3.11 "$work/python/usr/bin/python3"
    bed_tensorflow_site "$work/site/opt/site"
    bed_image_add "$work/a" "$(bed_tensorflow_image)" "{$env,\"Cmd\":[\"python3\"]}" \
        "$(bed_layer "$work/a" "$work/python")" "$(bed_layer "$work/a" "$work/site")"
    bed_archive_pack "$work/a" "$1"
    rm -rf "$work"
}

# Builds the archive when there is none of its contents; prints the image's name and the file.
bed_tensorflow() {
    local file
    file=$(bed_tensorflow_archive)
    [ -e "$file" ] || bed_stage "TensorFlow image (CPU)" bed_tensorflow_build "$file" >&2 || return 1
    printf '%s\n%s\n' "$(bed_tensorflow_image)" "$file"
}
