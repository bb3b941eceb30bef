import { now } from '../common/clock.ts';
import { isSystemFailure } from '../common/errors.ts';
import { escapeControls } from '../common/text.ts';
import type { Fact } from '../lifecycle/facts.ts';
import { setCloseOnExec } from '../linux/exec.ts';
import { exitNow, startSession } from '../linux/processes.ts';
import { directoryAsGiven } from '../service/as-given.ts';
import { LogFileError } from '../telemetry/log.ts';
import { AdoptionError } from './adoption/permission.ts';
import type { TakeService } from './adoption/take-service.ts';
import { InstanceHeldError } from './instance/claim.ts';
import { InstanceError } from './instance/instance.ts';
import { RecoveryError } from './recovery/take-over.ts';
import { begin, type KnownInstance } from './start/begin.ts';
import { ConfigError, type ConfigSource } from './start/config-source.ts';
import { takeRestarted } from './start/restarted.ts';
import { Signals } from './start/signals.ts';
import { Supervisor } from './supervisor.ts';
import { type Handed, takeHanded } from './upgrade/handed.ts';

export interface SuperviseOptions {
  readonly source: ConfigSource;
  readonly version: string;
  /** The service of a dead supervisor, to be stopped. */
  readonly left?: { readonly instance: KnownInstance; readonly now: boolean };
  /** A running service to adopt. */
  readonly adopt?: AdoptOptions;
}

export interface AdoptOptions {
  readonly pid: number;
  readonly take: TakeService;
  /** The arguments with which another zero continues the service. */
  readonly again: (instance: string) => readonly string[];
}

const DONE = 0;

const COULD_NOT_START = 1;

/** Milliseconds that the process may take to exit once all work is done. */
const LINGER = 500;

/**
 * Runs a supervisor until all work is done. Resolves to its exit code (docs/reference/commands.md); the process exits
 * with it soon after. Rejects with InstanceHeldError if the service to stop has a supervisor again.
 */
export async function supervise(options: SuperviseOptions): Promise<number> {
  const code = await run(options);
  // A call that blocks in libuv's pool would delay the exit: a write to another user's pipe without a reader, a dead
  // file server, a slow resolver.
  setTimeout(() => exitNow(code), LINGER).unref();
  return code;
}

async function run({ source, version, left, adopt }: SuperviseOptions): Promise<number> {
  let supervisor: Supervisor | null = null;
  const signals = new Signals({
    reload: (signal) => supervisor?.reload(signal),
    stop: (signal, now) => supervisor?.stop(signal, now),
    reopenLogs: () => supervisor?.reopenLogs(),
    upgrade: () => supervisor?.upgrade(),
    forward: (signal) => supervisor?.forward(signal),
  });
  // The last part of the error boundary: catches exceptions that no callback, effect or step has caught.
  const caught = (step: string) => (error: unknown) => {
    if (supervisor?.caught(step, error)) return;
    process.stderr.write(`zero: ${error instanceof Error ? error.stack : String(error)}\n`);
    exitNow(COULD_NOT_START);
  };
  const uncaught = caught('uncaught exception');
  const unhandled = caught('unhandled rejection');
  process.on('uncaughtException', uncaught);
  process.on('unhandledRejection', unhandled);
  try {
    const restarted = takeRestarted(process.env);
    // Without a session of its own, this process would be killed together with the keeper that started it.
    if (restarted !== null) startSession();
    const handed = takeHanded(process.env);
    if (handed !== null) setCloseOnExec(handed.lock, true);
    const folder = directoryAsGiven();
    const { notes, ...beginning } = await begin(source, {
      restarted,
      handed,
      known: left?.instance ?? null,
      folder,
    });
    const { recovered } = beginning;
    if (left && recovered === null) return DONE;
    const again = adopt?.again(beginning.instance.name) ?? null;
    if (adopt && recovered !== null) throw new AdoptionError(leftBehind(adopt.pid, beginning.instance.name));
    supervisor = new Supervisor({
      source,
      version,
      restarted,
      again,
      adopts: adopt !== undefined,
      ...beginning,
    });
    if (adopt) await supervisor.adopt(signals, adopt.take, notes);
    else if (recovered === null) supervisor.start(signals, notes);
    else await supervisor.resume(signals, recovered, [...notes, ...upgraded(handed, version)]);
    if (left) supervisor.stop('zero stop', left.now);
    return await supervisor.finished;
  } catch (error) {
    if (left && error instanceof InstanceHeldError) throw error;
    // A failure that the operator can correct is one line. Anything else is a defect and shows its origin.
    if (!isExpected(error)) throw error;
    // The message may contain names of other processes and their sockets.
    const message = error instanceof ConfigError ? error.message : `zero: ${escapeControls(error.message)}`;
    process.stderr.write(`${message}\n`);
    return COULD_NOT_START;
  } finally {
    signals.close();
    process.off('uncaughtException', uncaught);
    process.off('unhandledRejection', unhandled);
  }
}

function upgraded(handed: Handed | null, to: string): Fact[] {
  if (handed === null) return [];
  const { from, since } = handed;
  return [{ event: 'supervisor_upgraded', from, to, duration: now() - since }];
}

function leftBehind(pid: number, instance: string): string {
  return `cannot adopt process ${pid}: instance ${instance} has a service whose zero has died. Start zero again to continue that service, or stop it with: zero stop --name ${instance}`;
}

function isExpected(error: unknown): error is Error {
  return (
    error instanceof AdoptionError ||
    error instanceof ConfigError ||
    error instanceof InstanceError ||
    error instanceof LogFileError ||
    error instanceof RecoveryError ||
    isSystemFailure(error)
  );
}
