#!/usr/bin/env bash
# Installs the Debian packages of a list that are missing (as root), or says which: deploy/packages.sh LIST [ONLY...]
set -euo pipefail
list=$1
shift

command -v mvn >/dev/null && have_maven=yes || have_maven=no
missing=()
while read -r package _; do
    [ $# -eq 0 ] || [[ " $* " == *" $package "* ]] || continue
    case $package in
        '' | '#'*) continue ;;
        maven) [ "$have_maven" = yes ] || missing+=(maven) ;;
        *) dpkg-query --show --showformat='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package") ;;
    esac
done <"$list"
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Debian: installing ${missing[*]}" >&2
    export DEBIAN_FRONTEND=noninteractive
    apt-get -qq update >&2
    apt-get -qq install --yes --no-install-recommends "${missing[@]}" >/dev/null
else
    echo "Debian: missing; as root: apt-get install ${missing[*]}" >&2
    exit 1
fi
