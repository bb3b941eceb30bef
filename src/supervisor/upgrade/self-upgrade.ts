import { after, now } from '../../common/clock.ts';
import { errorText } from '../../common/errors.ts';
import type { UpgradeAnswer } from '../../control/control.ts';
import type { Fact } from '../../lifecycle/facts.ts';
import type { State } from '../../lifecycle/state.ts';
import type { CommandSystem } from '../../workers/spawning/command.ts';
import { type Vault, VaultFile } from '../keeper/vault.ts';
import { openFiles } from '../run/trusted-files.ts';
import type { OwnCommand } from '../start/own-command.ts';
import type { Reads } from '../state-format/formats.ts';
import { type CheckResult, type DryRunResult, dryRun } from './dry-run.ts';
import { ObstacleError, obstacleTo } from './obstacle.ts';
import { contentFor, readsOlder } from './older-content.ts';
import { type Program, type Programs, programsFor, titleOf } from './programs.ts';

export interface UpgradeRequest extends Programs {
  /** Milliseconds that the upgrade waits for operations in progress; null: no limit. */
  readonly timeout: number | null;
}

export interface UpgradeContext {
  readonly version: string;
  readonly command: () => OwnCommand;
  readonly system: CommandSystem;
  /** zero's own environment. */
  readonly environment: readonly Buffer[];
  readonly directory: string;
  readonly state: () => State;
  /** null: this supervisor has no vault. */
  readonly vault: () => Vault | null;
  readonly report: (fact: Fact) => void;
  /**
   * Replaces the program. Returns only by rejecting, with everything unchanged; with ObstacleError if an operation has
   * begun meanwhile.
   * @param older the versions in which the service is handed over; null: the newest
   */
  readonly execute: (program: Program, older: Reads | null) => Promise<never>;
}

/** A program that has passed its dry run. */
interface Tested {
  readonly program: Program;
  readonly result: CheckResult;
  /** See `execute`. */
  readonly older: Reads | null;
}

/** Milliseconds between two checks for operations in progress. */
const PAUSE = 100;

/** Replaces the program of this process with the installed zero. One upgrade at a time. */
export class SelfUpgrade {
  readonly #context: UpgradeContext;
  #isRunning = false;

  constructor(context: UpgradeContext) {
    this.#context = context;
  }

  /**
   * Tests the new program and waits until no operation is in progress. Replaces the program after it has called
   * `answered`. Never rejects.
   */
  async request(request: UpgradeRequest, answered: (answer: UpgradeAnswer) => void): Promise<void> {
    if (this.#isRunning) return answered({ ok: false, message: 'another upgrade is in progress' });
    this.#isRunning = true;
    try {
      const { program, result, older } = await this.#find(request);
      const deadline = request.timeout === null ? Number.POSITIVE_INFINITY : now() + request.timeout;
      const { version: from, report } = this.#context;
      const { zero: to, node } = result;
      for (let attempts = 1; ; attempts += 1) {
        await this.#wait(deadline);
        report({
          event: 'supervisor_upgrading',
          from,
          to,
          path: program.script,
          node: program.node ?? program.script,
        });
        if (attempts === 1) answered({ ok: true, to, node });
        await this.#execute(program, older);
      }
    } catch (error) {
      const message = errorText(error);
      this.#context.report({ event: 'error', step: 'upgrade', message: `zero was not upgraded: ${message}` });
      answered({ ok: false, message });
    } finally {
      this.#isRunning = false;
    }
  }

  async #find(wanted: Programs): Promise<Tested> {
    const { command, vault: vaultOf } = this.#context;
    const vault = vaultOf();
    if (vault === null)
      throw new Error('zero has no memory that survives the change of its program. Restart it instead.');
    const problems: string[] = [];
    for (const program of programsFor(command(), wanted, process.env.PATH ?? '')) {
      const open = openFiles([
        ...[program.script, program.node ?? []].flat().map((path) => ({
          what: 'program',
          path,
          key: null,
          step: 'upgrade',
        })),
      ]);
      problems.push(...open.map(({ message }) => message));
      if (open.length > 0) continue;
      const tested = await this.#test(program, vault);
      if ('result' in tested) return tested;
      problems.push(tested.problem);
    }
    throw new Error(problems.join('; '));
  }

  async #test(program: Program, vault: Vault): Promise<Tested | { readonly problem: string }> {
    const first = await this.#dryRun(program, vault);
    if ('passed' in first) return { program, result: first.passed, older: null };
    const { problem, result } = first;
    const older = result?.reads;
    if (older === undefined || !readsOlder(older)) return { problem };
    let copy: Vault | null = null;
    try {
      copy = VaultFile.create(this.#context.system.kernel);
      copy.write(contentFor(vault.read(), older));
      const second = await this.#dryRun(program, copy);
      return 'passed' in second ? { program, result: second.passed, older } : { problem: second.problem };
    } catch (error) {
      const why = errorText(error);
      return { problem: `${titleOf(program)} (zero ${result?.zero}): ${why}` };
    } finally {
      copy?.close();
    }
  }

  #dryRun(program: Program, vault: Vault): Promise<DryRunResult> {
    const { system, environment, directory } = this.#context;
    return dryRun(program, { environment, directory, vault: vault.fd }, system);
  }

  /** Returns if an operation has begun meanwhile that the upgrade must wait for. */
  async #execute(program: Program, older: Reads | null): Promise<void> {
    const { execute, report } = this.#context;
    try {
      await execute(program, older);
    } catch (error) {
      if (!(error instanceof ObstacleError)) throw error;
      report({ event: 'warning', about: 'upgrade', message: `the upgrade waits: ${error.message}` });
    }
  }

  async #wait(deadline: number): Promise<void> {
    for (;;) {
      const state = this.#context.state();
      if (state.stop || state.exit) throw new Error('the supervisor is stopping');
      const obstacle = obstacleTo(state);
      if (obstacle === null) return;
      if (now() >= deadline) throw new Error(`--timeout expired: ${obstacle}`);
      await new Promise<void>((resolve) => after(PAUSE, resolve));
    }
  }
}
