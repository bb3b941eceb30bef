/** The kind of value that can be typed at one position of the command line. */
export type Value =
  | { readonly kind: 'word'; readonly words: readonly string[] }
  | { readonly kind: 'file' }
  /** The name of a running instance. */
  | { readonly kind: 'instance' }
  /** The number of a generation of the instance. */
  | { readonly kind: 'generation' }
  /** The number of a handover of the instance. */
  | { readonly kind: 'handover' }
  /** The user's own command and its arguments, after `--`. */
  | { readonly kind: 'command' }
  | { readonly kind: 'anything' };

export interface OptionShape {
  /** `-f`, `--follow`. */
  readonly names: readonly string[];
  readonly description: string;
  /** Null for a flag. */
  readonly value: Value | null;
  /** Whether the option may be given several times. */
  readonly repeatable: boolean;
}

export interface CommandShape {
  readonly name: string;
  readonly description: string;
  readonly options: readonly OptionShape[];
  /** The argument after the options; null if there is none. */
  readonly argument: Value | null;
}

/** The command line as it is defined, so that a completion offers only existing options. */
export interface Shape {
  readonly commands: readonly CommandShape[];
  /** The options before a command. */
  readonly options: readonly OptionShape[];
}

/**
 * In the syntax that bash and zsh share: reads the names from the records in the directories of
 * src/supervisor/instance/instance-roots.ts. Does not start zero.
 */
export const INSTANCES = `local place record
  local -a places=("\${XDG_RUNTIME_DIR:-/run/user/$UID}/zero" "/run/user/$UID/zero" "\${TMPDIR:-/tmp}/zero-$UID" "/tmp/zero-$UID" /run/zero)
  [ "$UID" != 0 ] || places=(/run/zero /run/user/*/zero /tmp/zero-*)
  for place in "\${places[@]}"; do
    for record in "$place"/*/instance.json "$place"/.instances/*/instance.json; do
      [ ! -f "$record" ] || sed -n 's/.*"name":"\\([A-Za-z0-9._+@:-]*\\)".*/\\1/p' "$record"
    done
  done | sort -u`;

/** The generations of an instance, which $@ specifies as on the command line. */
export const GENERATIONS = numbers('generation');

/** The handovers of an instance, which $@ specifies as on the command line. */
export const HANDOVERS = numbers('handover');

function numbers(field: string): string {
  return `zero history --json "$@" 2>/dev/null | sed -n 's/^      "${field}": \\([0-9][0-9]*\\).*/\\1/p' | sort -un`;
}
