import { fstatSync } from 'node:fs';
import { errorText } from '../common/errors.ts';
import { bootId } from '../linux/procfs.ts';
import { VaultFile } from '../supervisor/keeper/vault.ts';
import { NEWEST } from '../supervisor/state-format/formats.ts';
import { decodeMemos } from '../supervisor/state-format/generation-memo.ts';
import { readState } from '../supervisor/state-format/read.ts';
import { stateOf } from '../supervisor/state-format/restore.ts';
import type { CheckResult } from '../supervisor/upgrade/dry-run.ts';
import { EXIT } from './exit-code.ts';
import { version } from './version.ts';

/** The supervisor passes its vault as standard input. */
const VAULT_FD = 0;

/**
 * `zero upgrade --check`: a supervisor runs it to find out whether this zero can continue its service. It only reads.
 * Prints a CheckResult in one line; returns the exit code.
 */
export function upgradeCheck(write: (text: string) => void = (text) => process.stdout.write(text)): number {
  const problem = problemOf(VAULT_FD);
  const result: CheckResult = { zero: version, node: process.version, problem, reads: NEWEST };
  write(`${JSON.stringify(result)}\n`);
  return problem === null ? EXIT.done : EXIT.failed;
}

function problemOf(fd: number): string | null {
  try {
    if (!fstatSync(fd).isFile()) return 'only a running zero uses --check';
    const { state, generations } = VaultFile.resume(fd, { closeFd: () => {} }).read();
    if (state === null) return 'the vault has no state';
    const { instance } = JSON.parse(state.text);
    const read = readState(state.text, { instance, bootId: bootId() });
    if ('problem' in read) return read.problem.message.replace(/^the file/, 'the state');
    stateOf(read.state);
    if (generations === null) return 'the vault has no configs';
    const memos = decodeMemos(generations);
    return 'problem' in memos ? memos.problem : null;
  } catch (error) {
    return errorText(error);
  }
}
