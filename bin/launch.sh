# Sourced by the programs beside it, with $here set: becomes the built program under the right Node.
# Shell instead of JavaScript, so that it costs a millisecond and the process keeps its id and signals.

# launch <program> <node flags> <arguments…>
launch() {
  program=$1 flags=$2 root=$here/..
  shift 2
  # In a clone the program is built when it is missing or older than a source; a package is built.
  if [ -d "$root/src" ]; then
    stamp=$root/dist/.built
    if ! [ -e "$stamp" ] || [ -n "$(find "$root/src" "$root/package-lock.json" -newer "$stamp")" ]; then
      find_node
      "$node" "$root/tools/boot.js" build >&2 || exit 1
    fi
  fi
  find_node
  # Unquoted: one word per flag.
  exec "$node" $flags "$root/dist/$program.cjs" "$@"
}

# The Node that came with the dependencies of a clone, else the one of the system.
find_node() {
  node=$root/node_modules/.bin/node
  [ -x "$node" ] || node=$(command -v node) || {
    echo "$program: Node 26 or newer is needed: install it from https://nodejs.org" >&2
    exit 127
  }
}
