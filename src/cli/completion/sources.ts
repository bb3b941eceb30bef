/**
 * In the language that bash and zsh share: the names in the places of src/supervisor/places.ts, from the records there.
 * Without starting zero.
 */
export const INSTANCES = `local place record
  local -a places=("\${XDG_RUNTIME_DIR:-/run/user/$UID}/zero" "/run/user/$UID/zero" "\${TMPDIR:-/tmp}/zero-$UID" "/tmp/zero-$UID" /run/zero)
  [ "$UID" != 0 ] || places=(/run/zero /run/user/*/zero /tmp/zero-*)
  for place in "\${places[@]}"; do
    for record in "$place"/*/instance.json "$place"/.instances/*/instance.json; do
      [ ! -f "$record" ] || sed -n 's/.*"name":"\\([A-Za-z0-9._+@:-]*\\)".*/\\1/p' "$record"
    done
  done | sort -u`;

/** The generations that an instance has had. $@ names it, as on the command line. */
export const GENERATIONS = numbers('generation');

/** The same for its handovers. */
export const HANDOVERS = numbers('handover');

function numbers(field: string): string {
  return `zero history --json "$@" 2>/dev/null | sed -n 's/^      "${field}": \\([0-9][0-9]*\\).*/\\1/p' | sort -un`;
}
