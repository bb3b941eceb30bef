import { closeSync, readFileSync, writeSync } from 'node:fs';
import { errorText, isSystemFailure } from '../../common/errors.ts';
import {
  forbidNewPrivileges,
  keepCapabilities,
  prepareCapabilities,
  setCapabilities,
} from '../../linux/capabilities.ts';
import { prepareExec, restoreIgnoredSignals, setCloseOnExec } from '../../linux/exec.ts';
import { type ResourceName, setLimit } from '../../linux/limits.ts';
import { type CompleteOrder, decodeOrder } from './launch-order.ts';
import { LAUNCHER_NAME } from './launcher-exit.ts';

// A separate program. A process that becomes the service executes it instead of the shell. `node node-launcher FD`
// reads its order from the descriptor and executes the service.

/**
 * The exit codes of a shell that cannot execute a program (POSIX, "Exit Status for Commands"), and of env(1) on its own
 * errors.
 */
const NOT_FOUND = 127;
const NOT_EXECUTABLE = 126;
const FAILED = 125;

function launch({ executable, argv, environment, listenPid, watchdogPid, ...order }: CompleteOrder): never {
  const names = [...(listenPid ? ['LISTEN_PID'] : []), ...(watchdogPid ? ['WATCHDOG_PID'] : [])];
  const own = names.map((name) => Buffer.from(`${name}=${process.pid}`));
  const execute = prepareExec(executable, argv, [...environment, ...own]);
  // At its start Node sets close-on-exec on its inherited descriptors (uv_disable_stdio_inheritance).
  for (const fd of order.descriptors) setCloseOnExec(fd, false);
  restoreIgnoredSignals();
  if (order.umask !== undefined) process.umask(order.umask);
  const { capabilities, noNewPrivileges = false } = order;
  if (capabilities !== undefined || noNewPrivileges) prepareCapabilities();
  if (order.user !== null) {
    process.setgroups?.([...order.user.groups]);
    process.setgid?.(order.user.gid);
  }
  // After everything that allocates memory, because a limit may be below Node's own usage. As root, which may raise
  // limits.
  for (const [name, limit] of Object.entries(order.limits)) {
    if (limit !== undefined) setLimit(name as ResourceName, limit);
  }
  if (order.user !== null) {
    // Otherwise the change from root to another user removes all capabilities (capabilities(7)).
    if (capabilities !== undefined) keepCapabilities();
    process.setuid?.(order.user.uid);
  }
  // These belong to this thread, which executes the service.
  if (capabilities !== undefined) setCapabilities(capabilities);
  if (noNewPrivileges) forbidNewPrivileges();
  return execute();
}

function exitCode(error: unknown): number {
  if (!isSystemFailure(error) || error.syscall !== 'execve') return FAILED;
  return error.code === 'ENOENT' ? NOT_FOUND : NOT_EXECUTABLE;
}

/** A descriptor with a high number keeps its close-on-exec flag, so it is closed here. */
function readOrder(fd: number): CompleteOrder {
  const order = decodeOrder(readFileSync(fd));
  closeSync(fd);
  return order;
}

try {
  launch(readOrder(Number(process.argv[2])));
} catch (error) {
  writeSync(2, `${LAUNCHER_NAME}: ${errorText(error)}\n`);
  process.exit(exitCode(error));
}
