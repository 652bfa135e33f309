# What the scripts here share. Sourced first: leaves the script in the root of the checkout.
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
script=scripts/${0##*/}

wrong() { # why: ends a script whose arguments it cannot use
  echo "$script: $1; see $script --help" >&2
  exit 2
}

help_asked() { # arguments...: answers --help with the comment at the script's head
  local word
  for word in "$@"; do
    case "$word" in
      -h | --help) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$script" && exit 0 ;;
    esac
  done
}

find_node() { # leaves in `node` the path of a Node that can run the foreign client: the machine's, or that of scripts/setup
  for node in "$(command -v node)" "$PWD/build/node/node_modules/.bin/node"; do
    [[ "$("$node" --version 2>/dev/null)" =~ ^v([0-9]+) ]] && ((BASH_REMATCH[1] >= 20)) && return 0
  done
  return 1
}

install_foreign_client() { # Baileys, unless an installation of what the lock file says has come to its end
  local written_last=spec/interop/node_modules/.package-lock.json
  [ "$written_last" -nt spec/interop/package-lock.json ] && return 0
  rm -f "$written_last"
  npm ci --prefix spec/interop --no-audit --no-fund --ignore-scripts
}
