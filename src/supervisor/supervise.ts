import type { Fact } from '../lifecycle/facts.ts';
import { isSystemFailure } from '../linux/errors.ts';
import { exitNow } from '../linux/processes.ts';
import { directoryAsGiven } from '../service/as-given.ts';
import { LogFileError } from '../telemetry/log.ts';
import { claimInstance } from './claim.ts';
import { ConfigError, type ConfigSource } from './config-source.ts';
import { chooseInstance } from './earlier-name.ts';
import { InstanceError } from './instance.ts';
import { leftBehind } from './left-behind.ts';
import { Signals } from './signals.ts';
import { Supervisor } from './supervisor.ts';

export interface SuperviseOptions {
  readonly source: ConfigSource;
  readonly version: string;
}

const COULD_NOT_START = 1;

/** Milliseconds that a process with nothing left to do may take to end by itself. */
const LINGER = 500;

/**
 * Runs a supervisor until it has nothing left to do. Resolves to its exit code (docs/reference/commands.md), with which
 * the process ends soon.
 */
export async function supervise(options: SuperviseOptions): Promise<number> {
  const code = await run(options);
  // A call that blocks in libuv's pool would keep it: a write to another user's pipe that nobody reads, a dead file server, a slow resolver.
  setTimeout(() => exitNow(code), LINGER).unref();
  return code;
}

async function run({ source, version }: SuperviseOptions): Promise<number> {
  let supervisor: Supervisor | null = null;
  const signals = new Signals({
    reload: (signal) => supervisor?.reload(signal),
    stop: (signal, now) => supervisor?.stop(signal, now),
    reopenLogs: () => supervisor?.reopenLogs(),
    upgrade: (signal) => supervisor?.upgrade(signal),
    forward: (signal) => supervisor?.forward(signal),
  });
  // The last line of the error boundary: what no callback, effect or step has caught.
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
    const config = source.load();
    const folder = directoryAsGiven();
    const { instance, message } = chooseInstance(config, { file: source.read?.path ?? null, folder });
    await claimInstance(instance, source.file === null ? '--name' : 'runtime.name');
    const known: (Fact | null)[] = [
      message === null ? null : { event: 'warning', about: 'name', message },
      await leftBehind(instance),
    ];
    supervisor = new Supervisor({ source, version, config, instance, folder });
    supervisor.start(
      signals,
      known.filter((fact) => fact !== null),
    );
    return await supervisor.finished;
  } catch (error) {
    // What the operator can mend is one line; anything else is a defect and says where.
    if (!isExpected(error)) throw error;
    process.stderr.write(`${error instanceof ConfigError ? error.message : `zero: ${error.message}`}\n`);
    return COULD_NOT_START;
  } finally {
    signals.close();
    process.off('uncaughtException', uncaught);
    process.off('unhandledRejection', unhandled);
  }
}

function isExpected(error: unknown): error is Error {
  return (
    error instanceof ConfigError ||
    error instanceof InstanceError ||
    error instanceof LogFileError ||
    isSystemFailure(error)
  );
}
