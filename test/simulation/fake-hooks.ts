import type { ExitStatus, HookName } from '../../src/lifecycle/facts.ts';
import type { RunHook } from '../../src/lifecycle/hook.ts';
import type { Happening } from '../../src/supervisor/run/engine.ts';
import type { FakeTimers } from './fake-timers.ts';
import type { Random } from './random.ts';

const SIGKILL: ExitStatus = { kind: 'signaled', signal: 'SIGKILL', coreDumped: false };

/** The process of a hook: it exits normally, on SIGKILL, or, in state D, never. */
interface RunningHook {
  readonly name: HookName;
  readonly generation: number;
  since: number;
  readonly timeout: number;
  readonly stuck: boolean;
  killed: boolean;
  /** It was started by a supervisor that has died since. */
  isForeign: boolean;
}

export interface HooksContext {
  readonly random: Random;
  /** For hooks that no handover waits for. */
  readonly notices: Random;
  readonly timers: FakeTimers;
  readonly post: (happening: Happening) => void;
  readonly violated: (message: string) => void;
}

/** Runs the hooks of the configs, and records them. */
export class FakeHooks {
  /** Hooks whose process runs. */
  readonly running = new Map<number, RunningHook>();
  /** Handovers whose before-hook has succeeded. */
  readonly allowed = new Set<number>();
  /** Names of the hooks that were started. */
  readonly names: string[] = [];
  readonly #context: HooksContext;

  constructor(context: HooksContext) {
    this.#context = context;
  }

  /** @param timeout of the config; null if the config has no such hook */
  run({ hook, name, handover, generation }: RunHook, timeout: number | null): void {
    const { timers, violated } = this.#context;
    const random = isNotification(name) ? this.#context.notices : this.#context.random;
    for (const [other, { name: running, killed }] of this.running)
      if (!killed && isNotification(running) === isNotification(name))
        violated(`hook ${hook} was started while ${other} runs`);
    if (timeout === null) violated('a hook is run that the config does not have');
    this.names.push(name);
    const takes = random.pick([0, 50, 350, 20_000, Number.POSITIVE_INFINITY]);
    const exit: ExitStatus = { kind: 'exited', code: random.pick([0, 0, 0, 1]) };
    const stuck = random.chance(0.1);
    this.running.set(hook, {
      name,
      generation,
      since: timers.now,
      timeout: timeout ?? 0,
      stuck,
      killed: false,
      isForeign: false,
    });
    if (random.chance(0.05)) this.#end(hook, 0, null, null);
    else this.#end(hook, takes, exit, name === 'before_reload' ? handover : null);
  }

  kill(hook: number): void {
    const { violated } = this.#context;
    const running = this.running.get(hook);
    // It has exited, and the supervisor has not received that.
    if (!running) return;
    const random = isNotification(running.name) ? this.#context.notices : this.#context.random;
    if (running.killed && !running.isForeign) violated(`hook ${hook} is killed once`);
    running.killed = true;
    if (!running.stuck) this.#end(hook, random.between(0, 20), SIGKILL, null);
  }

  /** Another supervisor continues: its hooks were unobserved for so long, and their exit status is unknown. */
  crash(downtime: number): void {
    for (const running of this.running.values()) {
      running.isForeign = true;
      running.since += downtime;
    }
  }

  #end(hook: number, delay: number, exit: ExitStatus | null, allows: number | null): void {
    const { timers, post } = this.#context;
    if (delay === Number.POSITIVE_INFINITY) return;
    timers.set(delay, () => {
      const running = this.running.get(hook);
      if (!running || (running.stuck && running.killed)) return;
      this.running.delete(hook);
      const passed = exit?.kind === 'exited' && exit.code === 0 && !running.killed;
      if (allows !== null && passed) this.allowed.add(allows);
      const reason = exit === null ? 'ENOENT' : null;
      const known: ExitStatus | null = exit && running.isForeign ? { kind: 'unknown' } : exit;
      post({ type: 'hook_finished', hook, exit: known, reason, output: [] });
    });
  }
}

/** A hook that no handover waits for. */
export function isNotification(name: HookName): boolean {
  return name.startsWith('on_');
}
