import type { Config } from '../../config/index.ts';
import type { Effect } from '../../lifecycle/effects.ts';
import { describeExit, type ExitStatus, type Fact } from '../../lifecycle/facts.ts';
import type { Kernel } from '../../linux/kernel.ts';
import type { ProcessIdentity } from '../../linux/procfs.ts';
import type { KeptSocket, Listeners } from '../../listeners/listeners.ts';
import type { ProcessTable } from '../../workers/processes/process-table.ts';
import type { Instance } from '../instance/instance.ts';
import { DescriptorStore } from '../keeper/descriptor-store.ts';
import { type PreviousKeeper, SocketKeeper } from '../keeper/socket-keeper.ts';
import type { Vault } from '../keeper/vault.ts';
import { failureOf } from '../run/effect-failure.ts';
import type { Happening } from '../run/engine.ts';
import { type OwnCommand, wordsOf } from '../start/own-command.ts';
import { isManaged, type Restarted } from '../start/restarted.ts';

export interface SocketKeepingContext {
  readonly kernel: Kernel;
  readonly table: ProcessTable;
  readonly instance: Instance;
  /** zero's own environment, from its start. */
  readonly environment: readonly Buffer[];
  readonly listeners: Pick<Listeners, 'kept'>;
  readonly post: (happening: Happening) => void;
  readonly report: (fact: Fact) => void;
  /** `application.restart_supervisor` of the generation that serves. */
  readonly policy: () => Config['application']['restart_supervisor'];
  /** The keeper that started this supervisor; null if another process started it. */
  readonly restarted: Restarted | null;
  readonly vault: () => Vault | null;
  /** The names of the descriptors that the service manager has stored for an earlier supervisor. */
  readonly stored: readonly string[];
  /** The command that starts this supervisor again. */
  readonly command: () => OwnCommand;
}

/** A supervisor that has run for this many milliseconds is not in a crash loop. */
const LONG = 60_000;

/** Makes a keeper process hold the listening sockets, and replaces it when the sockets change. */
export class SocketKeeping {
  readonly #context: SocketKeepingContext;
  readonly #keeper: SocketKeeper;
  readonly #store: DescriptorStore | null;
  #tries: number;
  #version = 0;
  /** The content of this version of the keeper: inodes, and whether it restarts zero. */
  #kept = '';
  /** The sockets at the last check. */
  #seen: { readonly sockets: readonly KeptSocket[]; readonly how: string } | null = null;
  #isOpen = false;
  #timer: NodeJS.Timeout | null = null;

  constructor(context: SocketKeepingContext) {
    this.#context = context;
    const { kernel, table, instance, environment, listeners, post, report, vault } = context;
    this.#tries = context.restarted === null ? 0 : context.restarted.tries + 1;
    const warn = (message: string) => report({ event: 'warning', about: 'keeper', message });
    const { NOTIFY_SOCKET: manager } = process.env;
    this.#store = manager ? new DescriptorStore(manager, context.stored, warn) : null;
    this.#keeper = new SocketKeeper({
      kernel,
      table,
      runtimeDirectory: instance.runtimeDirectory,
      environment,
      command: () => wordsOf(context.command()),
      restart: () => this.#restarts(),
      tries: () => this.#tries,
      vault: () => vault()?.fd ?? null,
      sockets: () => listeners.kept().map(({ fd }) => fd),
      done: (version, { pid }) => {
        report({ event: 'keeper_started', pid, sockets: this.#keeper.sockets });
        this.#store?.keep(listeners.kept(), vault()?.fd ?? null);
        post({ type: 'done', effect: effectOf(version) });
      },
      failed: (version, error) => {
        const effect = effectOf(version);
        post({ type: 'failed', effect, failure: failureOf(effect, error) });
      },
      lost: (version, { pid }, exit) => this.#lost(version, pid, exit),
      warn,
    });
  }

  /** The running keeper; null for none. */
  get identity(): ProcessIdentity | null {
    return this.#keeper.identity;
  }

  /** The number of sockets that it holds. */
  get sockets(): number {
    return this.#keeper.sockets;
  }

  /** Whether a keeper or a service manager restarts this supervisor when it is killed. */
  get restarts(): boolean {
    return this.#restarts() || isManaged(process.env);
  }

  get fifoFd(): number | null {
    return this.#keeper.fifoFd;
  }

  /**
   * Keeps the sockets from now on. The first process of a pid namespace gets no keeper: its death ends the namespace.
   * @param version the last version in the state
   * @param previous keepers of a dead supervisor, which end when there is a new one
   */
  open(version: number, previous: readonly PreviousKeeper[] = []): void {
    if (this.#context.kernel.pid === 1) return;
    this.#isOpen = true;
    this.#version = version;
    this.#keeper.adoptPrevious(previous);
    if (this.#tries > 0) this.#timer = setTimeout(() => this.#settled(), LONG).unref();
    this.look();
  }

  /** Compares the sockets with the kept ones. */
  look(): void {
    if (!this.#isOpen) return;
    const sockets = this.#context.listeners.kept();
    const how = `${this.#restarts()} ${this.#tries}`;
    if (sockets === this.#seen?.sockets && how === this.#seen.how) return;
    this.#seen = { sockets, how };
    const wanted = `${sockets.map(({ inode }) => inode).join(' ')} ${how}`;
    if (wanted === this.#kept) return;
    this.#kept = wanted;
    this.#version += 1;
    this.#context.post({ type: 'sockets_changed', version: this.#version });
  }

  /** Performs the effect `keep_sockets`. */
  keep(version: number): void {
    this.#keeper.keep(version);
  }

  /** Ends the keeper. Never rejects, takes 200 ms at most. */
  async end(): Promise<void> {
    this.#isOpen = false;
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#keeper.end();
  }

  #settled(): void {
    this.#tries = 0;
    this.look();
  }

  #restarts(): boolean {
    const policy = this.#context.policy();
    if (policy !== 'auto') return policy === 'always';
    return this.#context.restarted !== null || !isManaged(process.env);
  }

  #lost(version: number, pid: number, exit: ExitStatus): void {
    const reason = `the keeper (pid ${pid}) exited: ${describeExit(exit)}`;
    this.#context.post({
      type: 'failed',
      effect: effectOf(version),
      failure: { step: 'keep sockets', reason },
    });
  }
}

function effectOf(version: number): Extract<Effect, { type: 'keep_sockets' }> {
  return { type: 'keep_sockets', version };
}
