/**
 * The name of a FIFO in a runtime directory. The keeper notices by it that the supervisor has died. A stop of the
 * service removes it.
 */
export const FIFO = 'keeper.fifo';

/** The keeper's descriptors of the FIFO, of the vault, and of the first socket. */
export const FIFO_FD = 3;
export const VAULT_FD = 10;
export const FIRST_SOCKET_FD = 11;

/** `$0` of the script. It identifies a keeper together with the directory that follows. */
export const KEEPER_NAME = 'zero-keeper';

/** The variable with the script. The command line, which ps(1) shows, stays short. */
const SCRIPT_VARIABLE = 'ZERO_KEEPER';

/**
 * The script of the keeper for dash, bash and busybox: `sh -c SCRIPT zero-keeper DIRECTORY POLICY TRIES COMMAND...`.
 *
 * - The keeper waits in read(2) of the FIFO, which only the supervisor has open for writing. End-of-file means that the
 *   supervisor has died, even before the shell began. For the next wait the keeper opens the FIFO again, which blocks
 *   until there is a writer (fifo(7)). It opens the FIFO through /proc, which works after the directory was deleted.
 * - `run FILE` starts a shell script as a child, which inherits the sockets.
 * - With the policy `restart` the keeper starts COMMAND as a child, after 0, 1, 2, 5, then always 30 seconds. The shell
 *   in between waits for COMMAND and has the FIFO open for writing before COMMAND starts. The exit of this shell is
 *   therefore the next end-of-file, which causes the next attempt. A supervisor that has started ends the keeper, and
 *   this shell with it.
 * - SIGCHLD interrupts open(2) in dash. A failed redirection of `exec` ends a shell, and its sockets close; `command`
 *   before `exec` prevents that (POSIX, 2.8.1). An interrupted read must not count as end-of-file, so the script
 *   repeats the read.
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

/** The arguments and the environment of a keeper. */
export interface KeeperProgram {
  readonly argv: readonly string[];
  readonly environment: readonly Buffer[];
}

/** The input of keeperProgram(). */
export interface KeeperProgramOptions {
  /** The name of the shell. busybox selects its applet by this name. */
  readonly shell: string;
  readonly runtimeDirectory: string;
  /** Whether the keeper restarts the supervisor. */
  readonly restart: boolean;
  /** Consecutive restarts of the supervisor after a short run. */
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
