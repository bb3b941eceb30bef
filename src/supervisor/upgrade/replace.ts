import { ignoreSignalsAgain, prepareExec, restoreIgnoredSignals, setCloseOnExec } from '../../linux/exec.ts';
import type { StateRecorder } from '../continuity/state-recorder.ts';
import type { VaultKeeping } from '../continuity/vault-keeping.ts';
import type { ControlSocket } from '../observe/control-socket.ts';
import type { Generations } from '../run/generations.ts';
import type { Reads } from '../state-format/formats.ts';
import { type Handed, handedVariable } from './handed.ts';
import { ObstacleError } from './obstacle.ts';
import type { Program } from './programs.ts';

export interface ReplaceContext {
  /** zero's own environment. */
  readonly environment: readonly Buffer[];
  readonly control: Pick<ControlSocket, 'open' | 'close'>;
  readonly generations: Pick<Generations, 'processes'>;
  readonly memory: Pick<VaultKeeping, 'writeFor' | 'rewrite'>;
  readonly recorder: Pick<StateRecorder, 'replace' | 'retry'>;
  /** Writes all pending output of services and zero, as far as the readers take it in time. */
  readonly flush: () => Promise<void>;
  /** The operation in progress that the upgrade must wait for; null: none. */
  readonly obstacle: () => string | null;
  /** The data for the new program. Throws Error without memory that outlives this program. */
  readonly handed: () => Handed;
  readonly failed: (step: string, error: unknown) => void;
}

/**
 * Hands the service over to another program in this process. Rejects if that fails: zero then continues as before.
 * Rejects with ObstacleError if an operation has begun meanwhile.
 * @param older the versions in which the new program reads the state and the configs; null: the newest
 */
export async function handOverTo(
  program: Program,
  older: Reads | null,
  { environment, control, generations, memory, recorder, flush, obstacle, handed, failed }: ReplaceContext,
): Promise<never> {
  // A slow reader delays each flush by seconds, in which a worker may exit or a handover may begin.
  const requireRest = () => {
    const found = obstacle();
    if (found !== null) throw new ObstacleError(found);
  };
  // Writes most pending output now, so that little is read between the end of the control socket and that of the
  // program.
  await flush();
  requireRest();
  await control.close({ isUpgrade: true });
  try {
    for (const process of generations.processes()) process.drainOutput();
    // The log may use standard error, too.
    await flush();
    requireRest();
    // Last, because the written state must not change before the new program reads it.
    if (older !== null) recorder.replace(memory.writeFor(older));
    return replaceProgram(program, environment, handed());
  } catch (error) {
    if (older !== null && !(error instanceof ObstacleError)) rewrite({ memory, recorder, failed });
    await control.open();
    throw error;
  }
}

/** Writes the state again in the newest versions, after the other program could not be executed. */
function rewrite({ memory, recorder, failed }: Pick<ReplaceContext, 'memory' | 'recorder' | 'failed'>): void {
  memory.rewrite();
  try {
    recorder.retry();
  } catch (error) {
    failed('write state', error);
  }
}

/** Standard input, output and error. The log continues to use them. */
const STANDARD = [0, 1, 2];

/**
 * Replaces the program of this process (execve(2)). Returns only by throwing SystemError, with every descriptor and
 * signal unchanged.
 * @param environment zero's own
 */
export function replaceProgram(program: Program, environment: readonly Buffer[], handed: Handed): never {
  const { name, node, options, script, args } = program;
  const argv = node === null ? [name, ...args] : [name, ...options, script, ...args];
  const execute = prepareExec(node ?? script, argv, [...environment, handedVariable(handed)]);
  const { lock, fifo, vault, sockets } = handed;
  const descriptors = [lock, vault, ...(fifo === null ? [] : [fifo]), ...sockets];
  try {
    for (const fd of [...STANDARD, ...descriptors]) setCloseOnExec(fd, false);
    restoreIgnoredSignals();
    return execute();
  } finally {
    // A write to a pipe without a reader would end this process.
    ignoreSignalsAgain();
    for (const fd of descriptors) setCloseOnExec(fd, true);
  }
}
