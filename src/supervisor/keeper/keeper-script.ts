/** In a runtime directory: through it the keeper notices that the supervisor has died. A stop of the service removes it. */
export const FIFO = 'keeper.fifo';

/** Where the keeper has the FIFO, the vault, and the first of the sockets. */
export const FIFO_FD = 3;
export const VAULT_FD = 10;
export const FIRST_SOCKET_FD = 11;

/** `$0` of the script: by it, and by the directory after it, a keeper is recognised. */
export const KEEPER_NAME = 'zero-keeper';

/** The variable with the script. The command line, which ps(1) shows, stays short. */
const SCRIPT_VARIABLE = 'ZERO_KEEPER';

/**
 * What the keeper does, for dash, bash and busybox: `sh -c SCRIPT zero-keeper DIRECTORY POLICY TRIES COMMAND...`.
 *
 * - It waits in read(2) of the FIFO, which is open for writing in the supervisor alone. End-of-file means that the
 *   supervisor has died, also one that died before the shell began. For the next wait the FIFO is opened again, which
 *   waits for a writer (fifo(7)), through /proc, which works when the directory was deleted.
 * - `run FILE` starts a shell script as a child, which has the sockets.
 * - With the policy `restart` it starts COMMAND as a child, after 0, 1, 2, 5, then always 30 seconds. The shell in
 *   between waits for COMMAND and has the FIFO open for writing from before it is started. So its end is the next
 *   end-of-file, and the next attempt. A supervisor that is back ends the keeper, and with it this shell.
 * - SIGCHLD interrupts open(2) in dash, and a failed redirection of `exec` ends a shell, with it the sockets: `command`
 *   in front of `exec` prevents that (POSIX, 2.8.1). An interrupted read is not taken for end-of-file: read is repeated.
 */
const SCRIPT = `unset ${SCRIPT_VARIABLE}
dir=$1 policy=$2 tries=$3 failures=0
shift 3
start() {
  until { command exec 5>/proc/self/fd/${FIFO_FD}; } 2>/dev/null; do sleep 1; done
  case $tries in 0) pause=0 ;; 1) pause=1 ;; 2) pause=2 ;; 3) pause=5 ;; *) pause=30 ;; esac
  (
    [ $pause = 0 ] || sleep $pause
    ZERO_RESTARTED_BY=$$ ZERO_RESTART_TRIES=$tries ZERO_RUNTIME=$dir "$@" ${FIFO_FD}<&- 4<&- 5>&-
    : # A shell executes its last command in its own place.
  ) &
  exec 5>&-
  tries=$((tries + 1))
}
exec 4<&${FIFO_FD}
while :; do
  while read -r verb rest <&4 || read -r verb rest <&4; do
    case $verb in run) sh "$rest" ${FIFO_FD}<&- 4<&- & ;; esac
  done
  [ "$policy" = restart ] && start "$@"
  until { command exec 4</proc/self/fd/${FIFO_FD}; } 2>/dev/null; do
    failures=$((failures + 1))
    [ $failures -lt 9 ] || sleep 1
  done
done
`;

/** How the keeper is started. */
export interface KeeperProgram {
  readonly argv: readonly string[];
  readonly environment: readonly Buffer[];
}

/** What keeper() needs to know. */
export interface KeeperProgramOptions {
  /** The name by which the shell is called: busybox chooses by it what it is. */
  readonly shell: string;
  readonly runtimeDirectory: string;
  /** Whether the keeper starts the supervisor again. */
  readonly restart: boolean;
  /** How often the supervisor was started again without having run for long. */
  readonly tries: number;
  readonly command: readonly string[];
  readonly environment: readonly Buffer[];
}

/** The arguments and the environment of a keeper. */
export function keeperProgram(options: KeeperProgramOptions): KeeperProgram {
  const { shell, runtimeDirectory, restart, tries, command, environment } = options;
  return {
    argv: [
      shell,
      '-c',
      `eval "$${SCRIPT_VARIABLE}"`,
      KEEPER_NAME,
      runtimeDirectory,
      restart ? 'restart' : 'wait',
      String(tries),
      ...command,
    ],
    environment: [...environment, Buffer.from(`${SCRIPT_VARIABLE}=${SCRIPT}`)],
  };
}

/** Whether these are the arguments of a keeper of this runtime directory. */
export function isKeeper(argv: readonly string[], runtimeDirectory: string): boolean {
  const [, option, , name, directory] = argv;
  return option === '-c' && name === KEEPER_NAME && directory === runtimeDirectory;
}
