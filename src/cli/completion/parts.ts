/** What can be typed in one place of the command line. */
export type Value =
  | { readonly kind: 'word'; readonly words: readonly string[] }
  | { readonly kind: 'file' }
  /** The name of a zero that runs. */
  | { readonly kind: 'instance' }
  /** The number of a generation that the instance knows. */
  | { readonly kind: 'generation' }
  /** The number of a handover that the instance knows. */
  | { readonly kind: 'handover' }
  /** Somebody else's command and its arguments, behind `--`. */
  | { readonly kind: 'command' }
  | { readonly kind: 'anything' };

export interface OptionShape {
  /** `-f`, `--follow`. */
  readonly names: readonly string[];
  readonly description: string;
  /** Null for a flag. */
  readonly value: Value | null;
  /** Whether it may be given several times. */
  readonly repeatable: boolean;
}

export interface CommandShape {
  readonly name: string;
  readonly description: string;
  readonly options: readonly OptionShape[];
  /** What stands behind the options; null where nothing may. */
  readonly argument: Value | null;
}

/** The command line as it is defined, so that a completion cannot offer what there is not. */
export interface Shape {
  readonly commands: readonly CommandShape[];
  /** In front of a command. */
  readonly options: readonly OptionShape[];
}

/**
 * In the language that bash and zsh share: the names in the places of src/supervisor/instance/places.ts, from the records there.
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
