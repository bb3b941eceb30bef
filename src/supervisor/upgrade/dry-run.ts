import { after } from '../../common/clock.ts';
import { errorText } from '../../common/errors.ts';
import { type CommandSystem, runCommand } from '../../workers/spawning/command.ts';
import { wordsOf } from '../start/own-command.ts';
import type { Reads } from '../state-format/formats.ts';
import { type Program, titleOf } from './programs.ts';

/** Milliseconds for a new zero to start, load the kernel's interface and read the state. */
const TIMEOUT = 10_000;

/** The output of `zero upgrade --check`, in one line. */
export interface CheckResult {
  /** The version of zero. */
  readonly zero: string;
  /** The version of its Node. */
  readonly node: string;
  /** Why it cannot continue this service; null if it can. */
  readonly problem: string | null;
  /** The formats that it reads. Omitted by a version that does not report them. */
  readonly reads?: Reads;
}

/** `result` of a failure: the answer of the new zero, if any. */
export type DryRunResult =
  | { readonly passed: CheckResult }
  | { readonly problem: string; readonly result: CheckResult | null };

export interface DryRun {
  readonly directory: string;
  /** `NAME=VALUE` each. */
  readonly environment: readonly Buffer[];
  /** The descriptor of the vault. */
  readonly vault: number;
}

/**
 * Runs `zero upgrade --check` of the new zero with the vault as standard input. The check changes no file and no
 * process. Never rejects.
 */
export function dryRun(
  program: Program,
  { directory, environment, vault }: DryRun,
  system: CommandSystem,
): Promise<DryRunResult> {
  const run = wordsOf({ ...program, args: ['upgrade', '--check'] });
  return new Promise((resolve) => {
    const failed = (reason: string, result: CheckResult | null = null) =>
      resolve({ problem: `${titleOf(program)}: ${reason}`, result });
    try {
      const request = {
        run,
        directory,
        environment: mapOf(environment),
        user: null,
        timeout: TIMEOUT,
        input: vault,
      };
      runCommand(request, system, { after }, ({ status, timedOut, output }) => {
        const result = output.map(parseResult).find((parsed) => parsed !== null);
        const reason = output.find((line) => /Error\b/.test(line)) ?? output.at(-1);
        const said = reason === undefined ? '' : `: ${reason.trim()}`;
        if (timedOut) failed(`it did not answer within ${TIMEOUT / 1000} s`);
        else if (result?.problem) failed(result.problem, result);
        else if (result && status.kind === 'exited' && status.code === 0) resolve({ passed: result });
        else if (status.kind !== 'exited') failed(`\`upgrade --check\` was ended by a signal${said}`);
        else if (status.code !== 0) failed(`\`upgrade --check\` exited with ${status.code}${said}`);
        else failed(`\`upgrade --check\` exited with 0 and gave no result. Is this a zero?${said}`);
      });
    } catch (error) {
      failed(errorText(error));
    }
  });
}

function parseResult(line: string): CheckResult | null {
  if (!line.startsWith('{')) return null;
  try {
    const { zero, node, problem, reads }: Partial<CheckResult> = JSON.parse(line);
    if (typeof zero !== 'string' || typeof node !== 'string' || problem === undefined) return null;
    const isKnown = Number.isSafeInteger(reads?.state) && Number.isSafeInteger(reads?.configs);
    return { zero, node, problem, ...(isKnown && reads && { reads }) };
  } catch {
    return null;
  }
}

function mapOf(entries: readonly Buffer[]): ReadonlyMap<string, Buffer> {
  return new Map(
    entries.map((entry) => {
      const at = entry.indexOf('=');
      return [entry.toString('latin1', 0, at), entry.subarray(at + 1)];
    }),
  );
}
