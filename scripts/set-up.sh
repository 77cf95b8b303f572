# What scripts/quickstart and scripts/test share: programs from Debian's packages, Python packages in .venv.
# Sourced by bash scripts that have changed to the top of the checkout.
# shellcheck shell=bash

die() {
    printf '%s: %s\n' "${0##*/}" "$1" >&2
    exit 1
}

# need PROGRAM=PACKAGE...: install the packages whose programs are missing, all at once.
need() {
    local missing=() wanted
    for wanted in "$@"; do
        has "${wanted%%=*}" || [[ " ${missing[*]} " == *" ${wanted#*=} "* ]] || missing+=("${wanted#*=}")
    done
    [[ ${#missing[@]} == 0 ]] || install_packages "${missing[@]}"
}

# has PROGRAM: whether it is here; `venv` stands for a python3 that can make virtual environments.
has() {
    if [[ $1 == venv ]]; then
        find_python >/dev/null
    else
        PATH=$PATH:/usr/sbin:/sbin type -P "$1" >/dev/null
    fi
}

install_packages() {
    type -P apt-get >/dev/null || die "please install what is missing here: $*"
    [[ $EUID == 0 ]] || die "please have what is missing installed: apt-get install $*"
    echo "Installing $*" >&2
    (
        export DEBIAN_FRONTEND=noninteractive
        policy=/usr/sbin/policy-rc.d
        [[ ! -e $policy ]] || policy=''
        trap 'leave_no_registry "$policy" "$@"' EXIT
        # Debian starts a registry as a service when it installs one; ours are started by those who use them.
        [[ -z $policy ]] || { printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy"; }
        apt-get update -qq && apt-get install -qq --no-install-recommends "$@"
    ) </dev/null >/dev/null || die "apt-get could not install $*"
}

# leave_no_registry POLICY PACKAGE...: take back what keeps services from starting; and a registry that these packages
# bring is not started with the machine either, nor where systemd comes later.
leave_no_registry() {
    [[ -z $1 ]] || rm -f "$1"
    if [[ " ${*:2} " == *" docker-registry "* ]]; then
        [[ ! -x /etc/init.d/docker-registry ]] || update-rc.d docker-registry disable
        rm -f /etc/systemd/system/multi-user.target.wants/docker-registry.service
    fi
}

# Print a python3 that can make virtual environments: 3.11 or newer, the system's own first.
find_python() {
    local candidate
    for candidate in /usr/bin/python3 python3 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

# Have this checkout and what its tests need in .venv; made anew when that changes or the checkout moves.
make_venv() {
    make_venv_of .venv "$(cat scripts/constraints.txt)"
}

# The same in .venv-oldest, each dependency in the oldest version that pyproject.toml allows.
make_oldest_venv() {
    local bounds='s/^    "([A-Za-z]+)>=([0-9.]+)[",].*/\1'
    make_venv_of .venv-oldest "$(
        sed -nE "$bounds==\2/p" pyproject.toml
        grep -vE "^($(sed -nE "$bounds/p" pyproject.toml | paste -sd'|'))==" scripts/constraints.txt
    )"
}

# make_venv_of DIRECTORY CONSTRAINTS: with a python3 that the caller has had installed (`need venv=python3-venv`).
make_venv_of() {
    local directory=$1 constraints=$2 python stamp
    stamp=$(echo "$PWD" && cat pyproject.toml && echo "$constraints")
    [[ -x $directory/bin/python && $stamp == "$(cat "$directory/made-from" 2>/dev/null)" ]] && return
    [[ -w . && (! -e $directory || -w $directory) ]] ||
        die "$PWD: $directory cannot be made there; copy the checkout to a directory of your own"
    python=$(find_python) || die "no python3 from 3.11 on that can make virtual environments"
    echo "Installing Python packages into $directory" >&2
    rm -rf "$directory"
    "$python" -m venv "$directory"
    echo "$constraints" >"$directory/constraints.txt"
    "$directory/bin/python" -m pip install -qq --disable-pip-version-check -c "$directory/constraints.txt" -e '.[test]' \
        >&2 </dev/null
    echo "$stamp" >"$directory/made-from"
}
