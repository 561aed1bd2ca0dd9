#!/usr/bin/env bash
# Installs what the tests need beside Rust, Python 3 and Node. Quick when everything is there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

websocat=1.14.1
# The fonts are for the pictures of the page in Chinese, which show boxes without.
packages=(
    chromium curl firefox-esr fonts-wqy-microhei haproxy libnss3-tools libpcre2-8-0 libssl-dev netcat-openbsd openssl pkg-config
    systemd webkit2gtk-driver xvfb
    # Those of Redis start one server, which the tests do not use: each test starts its own.
    redis-sentinel redis-server redis-tools
    # Libraries in Python, Perl and Ruby that clients are tried with.
    libcrypt-jwt-perl libmojolicious-perl python3-aiohttp python3-cryptography python3-jwt ruby ruby-faye-websocket ruby-jwt
)
# Debian keeps this part of Python apart.
python3 -c 'import ensurepip' 2>/dev/null || packages+=(python3-venv)

missing=()
for package in "${packages[@]}"; do
    status=$(dpkg-query --show --showformat '${Status}' "$package" 2>/dev/null || true)
    [ "$status" = "install ok installed" ] || missing+=("$package")
done
as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo)
if [ ${#missing[@]} -gt 0 ]; then
    "${as_root[@]}" apt-get update
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install --yes --no-install-recommends "${missing[@]}"
fi

# The program alone: its package would start a web server on this machine.
if [ ! -x target/tools/nginx/usr/sbin/nginx ]; then
    mkdir -p target/tools/nginx
    (
        cd target/tools/nginx
        apt-get download nginx || { "${as_root[@]}" apt-get update && apt-get download nginx; }
        dpkg --extract nginx_*.deb .
        rm nginx_*.deb
    )
fi

# With TLS, which is OpenSSL's, and without compression, which the tests do not use it for.
features=signal_handler,ssl,unix_stdio
if [ "$(cat target/tools/websocat 2>/dev/null)" != "$websocat $features" ]; then
    cargo install websocat --version "$websocat" --locked --force --root target/tools \
        --no-default-features --features "$features"
    printf '%s\n' "$websocat $features" >target/tools/websocat
fi

wanted=$(cat tests/clients/requirements.txt)
if [ "$(cat target/clients/wanted 2>/dev/null)" != "$wanted" ]; then
    python3 -m venv --clear target/clients
    target/clients/bin/pip install --quiet --disable-pip-version-check \
        --require-hashes --requirement tests/clients/requirements.txt
    printf '%s\n' "$wanted" >target/clients/wanted
fi

# Of these packages the servers alone are used. They are for this kind of machine, whatever Python it has.
wanted=$(cat tests/redis/servers.txt)
if [ "$(cat target/redis/wanted 2>/dev/null)" != "$wanted" ]; then
    rm -rf target/redis
    mkdir -p target/redis
    target/clients/bin/pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --python-version 3.11 \
        --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 --platform manylinux_2_28_x86_64 \
        --require-hashes --requirement tests/redis/servers.txt --dest target/redis/packages
    for package in target/redis/packages/*.whl; do
        name=$(basename "$package" | cut -d - -f 1)
        python3 - "$package" "target/redis/$name" <<'END'
import sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as package:
    server = next(it for it in package.namelist() if it.endswith(("/redis-server", "/valkey-server")))
    with open(sys.argv[2], "wb") as file:
        file.write(package.read(server))
END
        chmod +x "target/redis/$name"
    done
    rm -r target/redis/packages
    printf '%s\n' "$wanted" >target/redis/wanted
fi
