/**
 * In the language that bash and zsh share: the names in the folders that find-instance.ts looks into, which for root are those of the system
 * alone. Without starting zero.
 */
export const INSTANCES = `local socket own="\${XDG_RUNTIME_DIR:+$XDG_RUNTIME_DIR/zero}"
  [ "$UID" = 0 ] || for socket in "\${own:-/tmp/zero-$UID}"/*/control.sock; do
    [ ! -S "$socket" ] || basename "\${socket%/control.sock}"
  done
  for socket in /run/zero/*/control.sock; do
    [ ! -S "$socket" ] || basename "\${socket%/control.sock}"
  done`;

/** The generations that an instance has had. $@ names it, as on the command line. */
export const GENERATIONS = `zero history --json "$@" 2>/dev/null | sed -n 's/^      "generation": \\([0-9]*\\).*/\\1/p'`;
