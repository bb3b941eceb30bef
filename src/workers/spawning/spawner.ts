import { isSystemFailure } from '../../common/errors.ts';
import type { Kernel } from '../../linux/kernel.ts';
import { conventions } from '../conventions/index.ts';
import { type Tools, tools } from './commands.ts';
import { withConventions } from './environment.ts';
import { encodeOrder, type LaunchOrder } from './launch-order.ts';
import { type Launch, type LaunchRequest, launchChain } from './launcher.ts';
import type { WorkerSpec } from './worker-spec.ts';

/** The calls that starting a process needs. */
type SpawnCalls = Pick<Kernel, 'pid' | 'spawn' | 'openMemoryFile' | 'closeFd'>;

type SystemFailure = Error & { readonly code: string; readonly syscall: string };

/**
 * Why a process could not be started. The message names the failed call, even if it created a pipe or socket for the
 * process.
 */
export class SpawnError extends Error {
  /** The errno name. */
  readonly code: string;

  constructor(cause: SystemFailure, executable: string) {
    super(`start ${executable}: ${cause.message}${advice(cause.code)}`, { cause });
    this.name = 'SpawnError';
    this.code = cause.code;
  }
}

/**
 * Starts one worker: exactly the descriptors of the specification and /dev/null as 0, its own session, default signal
 * handling, the conventions in its environment. Returns at once. A failure after the first program of the launcher
 * shows in its exit code, see launcher-exit.ts. Throws SpawnError, or ReleaseError for a missing tool of the launcher.
 */
export function spawnWorker(kernel: SpawnCalls, spec: WorkerSpec): { pid: number } {
  const { generation, worker, runtime, release, user, listeners, notifyPath, watchdog, shutdown } = spec;
  const supervisorPid = kernel.pid;
  const handed = { generation, worker, listeners, notifyPath, watchdog, shutdown, supervisorPid };
  const { variables, listenPid, watchdogPid } = conventions(runtime.protocols, handed);
  const descriptors = new Map(listeners.map(({ target, fd }) => [target, fd]));
  if (spec.readyFd !== null) descriptors.set(spec.readyFd.target, spec.readyFd.fd);
  descriptors.set(1, spec.output.stdout).set(2, spec.output.stderr);
  const request: LaunchRequest = {
    executable: release.executable,
    args: runtime.args.map((argument) => substitute(argument, spec)),
    environment: withConventions(release.environment, variables),
    user,
    privileges: runtime,
    limits: runtime.limits,
    umask: runtime.umask,
    listenPid,
    ...(watchdogPid && { watchdogPid }),
  };
  return { pid: spawn(kernel, request, { directory: release.directory, descriptors }) };
}

/** What a process gets in addition to its launcher: see SpawnRequest. */
export interface Surroundings {
  readonly directory: string;
  readonly descriptors: ReadonlyMap<number, number>;
}

/** Starts a process through its launcher and returns its pid. Throws SpawnError, or ReleaseError for a missing tool. */
export function spawn(
  kernel: SpawnCalls,
  request: LaunchRequest,
  { directory, descriptors }: Surroundings,
  machine: Tools = tools,
): number {
  const { order, ...launch } = launchChain(request, machine);
  try {
    if (order === null) return kernel.spawn({ ...launch, directory, descriptors });
    return spawnWithOrder(kernel, launch, order, { directory, descriptors });
  } catch (error) {
    throw isSystemFailure(error) ? new SpawnError(error, request.executable) : error;
  }
}

/** The order's descriptor follows those of the service, and is closed when the service is executed. */
function spawnWithOrder(
  kernel: SpawnCalls,
  launch: Omit<Launch, 'order'>,
  order: LaunchOrder,
  { directory, descriptors }: Surroundings,
): number {
  const targets = new Set([0, ...descriptors.keys()]);
  const number = Math.max(...targets) + 1;
  const fd = kernel.openMemoryFile('zero-launch', encodeOrder({ ...order, descriptors: [...targets] }));
  try {
    return kernel.spawn({
      ...launch,
      argv: [...launch.argv, String(number)],
      directory,
      descriptors: new Map([...descriptors, [number, fd]]),
    });
  } finally {
    kernel.closeFd(fd);
  }
}

const ADVICE: Readonly<Record<string, string>> = {
  E2BIG: 'arguments and environment exceed the limit of the kernel',
  EAGAIN: 'the process limit is reached. Check ulimit -u and the pids limit of the cgroup',
  EMFILE: 'zero has no free file descriptors. Raise its nofile limit',
  ENFILE: 'this machine has no free file descriptors. Raise the sysctl fs.file-max',
  ENOEXEC: 'it is not a program for this machine',
  ENOENT: 'it was removed, or its interpreter or dynamic loader is missing',
  ETXTBSY: 'it is open for writing. Write new releases to another file and rename them into place',
};

function advice(code: string): string {
  const text = ADVICE[code];
  return text === undefined ? '' : `: ${text}`;
}

/** Values of the placeholders in `args`. */
interface Placeholders {
  readonly generation: number;
  readonly worker: number;
  readonly listeners: readonly { readonly name: string; readonly target: number }[];
}

/**
 * Replaces `${fd.NAME}`, `${generation}` and `${worker}`. Any other `${...}` stays unchanged for the service's own use.
 */
export function substitute(text: string, placeholders: Placeholders): string {
  return text.replace(
    /\$\{(?:(generation|worker)|fd\.([^{}]+))\}/g,
    (whole, word?: string, name?: string) => {
      if (word === 'generation') return String(placeholders.generation);
      if (word === 'worker') return String(placeholders.worker);
      const listener = placeholders.listeners.find((one) => one.name === name);
      return listener === undefined ? whole : String(listener.target);
    },
  );
}
