import { prepareExec, restoreIgnoredSignals, setCloseOnExec } from '../../linux/exec.ts';
import { type Handed, handedVariable } from './handed.ts';
import type { Program } from './programs.ts';

/** Standard input, output and error: the log goes on. */
const STANDARD = [0, 1, 2];

/**
 * Replaces the program of this process (execve(2)). Returns only by throwing SystemError, with every descriptor as it
 * was.
 * @param environment zero's own
 */
export function replaceProgram(program: Program, environment: readonly Buffer[], handed: Handed): never {
  const { name, node, options, script, args } = program;
  const argv = [name, ...options, script, ...args];
  const execute = prepareExec(node, argv, [...environment, handedVariable(handed)]);
  const { lock, fifo, vault, sockets } = handed;
  const descriptors = [lock, vault, ...(fifo === null ? [] : [fifo]), ...sockets];
  try {
    for (const fd of [...STANDARD, ...descriptors]) setCloseOnExec(fd, false);
    restoreIgnoredSignals();
    return execute();
  } finally {
    for (const fd of descriptors) setCloseOnExec(fd, true);
  }
}
