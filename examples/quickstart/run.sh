#!/bin/sh
# The main job: a population, the catalogue, a run, and what one customer sees.
set -eu
cd "$(dirname "$0")/../.."
store=build/demo
customer=C0000799

say() { printf '\n\033[1m$ tuppence %s\033[0m\n' "$*"; }
tuppence_() { say "$@"; tuppence "$@"; }

mkdir -p build
if [ -e "$store/facts/manifest.json" ]; then
    echo "$store holds a population already; remove the folder to begin anew."
else
    tuppence_ synth --customers 10000 --seed 1 --store "$store"
fi
tuppence_ run --store "$store" --rules catalogue --as-of 2026-06-30
tuppence_ feed "$customer" --store "$store"
tuppence_ explain "$customer" bank_fees --store "$store"

cat <<EOF

Try next, with .venv/bin before each:
  tuppence results --store $store --rule bank_fees
  tuppence rules check catalogue
  tuppence schema
EOF
