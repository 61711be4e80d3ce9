#!/bin/sh
# The main job: make a population, run the catalogue, and show one customer's feed and an explanation.
set -eu
cd "$(dirname "$0")/../.."
store=${STORE:-build/demo}
customers=${CUSTOMERS:-10000}
customer=C0000684

run() { printf '\n\033[1m$ tuppence %s\033[0m\n' "$*"; tuppence "$@"; }

mkdir -p "$(dirname "$store")"
if [ -e "$store/facts/manifest.json" ]; then
    echo "$store already holds a population; remove the folder to start again."
else
    run synth --customers "$customers" --seed 1 --store "$store"
fi
run run --store "$store" --rules catalogue --as-of 2026-06-30
run feed "$customer" --store "$store"
run explain "$customer" bank_fees --store "$store"

cat <<EOF

See $customer's feed as an app would show it, at the address that this prints:
  .venv/bin/tuppence serve app --store $store

Write rules and see at once what they do to everybody, at the address that this prints:
  .venv/bin/tuppence serve console --store $store --rules build/rules

Try next, after running . .venv/bin/activate:
  tuppence results --store $store --rule charged_twice
  tuppence rules check catalogue
  tuppence schema
EOF
