import type { UpgradeAnswer } from '../../control/control.ts';
import type { Fact } from '../../lifecycle/facts.ts';
import type { State } from '../../lifecycle/state.ts';
import type { CommandSystem } from '../../workers/command.ts';
import { after, now } from '../clock.ts';
import type { OwnCommand } from '../own-command.ts';
import { type CheckResult, dryRun } from './dry-run.ts';
import { obstacleTo } from './obstacle.ts';
import { type Program, type Programs, programsFor } from './programs.ts';

export interface UpgradeRequest extends Programs {
  /** Milliseconds that the upgrade waits for what is in progress; null: without end. */
  readonly timeout: number | null;
}

export interface UpgradeContext {
  readonly version: string;
  readonly command: () => OwnCommand;
  readonly system: CommandSystem;
  /** zero's own. */
  readonly environment: readonly Buffer[];
  readonly directory: string;
  readonly state: () => State;
  /** The descriptor of the vault; null: this supervisor has none. */
  readonly vault: () => number | null;
  readonly report: (fact: Fact) => void;
  /** Replaces the program; returns only by rejecting, with everything as it was. */
  readonly execute: (program: Program) => Promise<never>;
}

/** Milliseconds between two looks at what is in progress. */
const PAUSE = 100;

/** Replaces the program of this process by the zero that is installed now. One upgrade at a time. */
export class SelfUpgrade {
  readonly #context: UpgradeContext;
  #isRunning = false;

  constructor(context: UpgradeContext) {
    this.#context = context;
  }

  /**
   * Tests the new program and waits until nothing is in progress. The program is replaced after `answered` was called.
   * Never rejects.
   */
  async request(request: UpgradeRequest, answered: (answer: UpgradeAnswer) => void): Promise<void> {
    if (this.#isRunning) return answered({ ok: false, message: 'another upgrade is in progress' });
    this.#isRunning = true;
    try {
      const { program, result } = await this.#find(request);
      await this.#wait(request.timeout);
      const { version: from, report, execute } = this.#context;
      const { zero: to, node } = result;
      report({ event: 'supervisor_upgrading', from, to, path: program.script, node: program.node });
      answered({ ok: true, to, node });
      await execute(program);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.#context.report({ event: 'error', step: 'upgrade', message: `zero was not upgraded: ${message}` });
      answered({ ok: false, message });
    } finally {
      this.#isRunning = false;
    }
  }

  async #find(wanted: Programs): Promise<{ readonly program: Program; readonly result: CheckResult }> {
    const { command, system, environment, directory, vault: vaultOf } = this.#context;
    const vault = vaultOf();
    if (vault === null) throw new Error('zero has no memory that outlives its program. Restart it instead.');
    const problems: string[] = [];
    for (const program of programsFor(command(), wanted, process.env.PATH ?? '')) {
      const result = await dryRun(program, { environment, directory, vault }, system);
      if ('zero' in result) return { program, result };
      problems.push(result.problem);
    }
    throw new Error(problems.join('; '));
  }

  async #wait(timeout: number | null): Promise<void> {
    const deadline = timeout === null ? Number.POSITIVE_INFINITY : now() + timeout;
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
