import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FactName } from '../../src/lifecycle/facts.ts';
import type { FactOf, Match } from '../../test/support/fact-log.ts';
import { startLoad } from '../../test/support/load.ts';
import type { LoadResult } from '../../test/support/load-book.ts';
import { fixture } from '../../test/support/paths.ts';
import { type Scope, temporaryFolder } from '../../test/support/temporary.ts';
import { startZero, type Zero } from '../../test/support/zero.ts';
import type { RawConfig } from '../../test/support/zero-config.ts';

/** Limit for the recovery from a fault, in ms. */
const DEADLINE = 30_000;
const WORKERS = 2;
/** After this time a keeper starts zero without a pause again, in ms. */
const RESET = 60_000;

/** A service of two workers under load, whose zero is restarted by its keeper. */
export class Subject {
  readonly folder: string;
  readonly #scope: Scope;
  #zero: Zero;
  /** The instances of zero whose logs a failure shows. */
  #newest: readonly Zero[] = [];
  #loads: { stop(): Promise<LoadResult> }[] = [];
  #began = 0;
  #port = 0;
  #restartedAt = Number.NEGATIVE_INFINITY;

  private constructor(scope: Scope, folder: string) {
    this.#scope = scope;
    this.folder = folder;
    this.#zero = this.#start();
  }

  static async start(scope: Scope): Promise<Subject> {
    const subject = new Subject(scope, temporaryFolder(scope));
    await subject.fact('generation_promoted', {}, 0);
    await subject.fact('keeper_started', {}, 0);
    return subject;
  }

  get runtimeDirectory(): string {
    return join(this.folder, 'run');
  }

  get dataDirectory(): string {
    return join(this.folder, 'data');
  }

  /** The port that clients connect to. */
  get port(): number {
    return this.#port;
  }

  /** Starts the load. */
  async load(): Promise<void> {
    const target = await this.#zero.address('http');
    this.#port = Number(target.slice(target.lastIndexOf(':') + 1));
    this.#loads = (['short', 'keep-alive'] as const).map((connections) =>
      startLoad(this.#scope, { target, clients: 4, connections, think: { from: 1, to: 5 } }),
    );
    // Taken before the load starts, so that no loss seems to come before its fault.
    this.#began = performance.now();
  }

  /** Milliseconds since the load began. */
  get time(): number {
    return performance.now() - this.#began;
  }

  get cursor(): number {
    return this.#zero.cursor;
  }

  /** A fact at or after the position. Rejects if it does not come in time. */
  fact<N extends FactName>(event: N, match: Match<N>, from: number): Promise<FactOf<N>> {
    return this.#inTime(event, this.#zero.fact(event, match, from));
  }

  get supervisor(): number {
    return this.#zero.log.all('supervisor_started').at(-1)?.pid ?? this.#zero.pid;
  }

  get keeper(): number {
    return this.#zero.log.all('keeper_started').at(-1)?.pid ?? 0;
  }

  /** Whether late connections may still arrive in a lane that no longer receives new connections. */
  hasLeftLanes(): boolean {
    return this.#state().lanes.some(({ state }: { state: string }) => state === 'away');
  }

  /** The workers of the serving generation. */
  workers(): { readonly generation: number; readonly worker: number; readonly pid: number }[] {
    const { generations, incumbent } = this.#state();
    const serving = generations.find(({ generation }: { generation: number }) => generation === incumbent);
    return serving.workers.flatMap(({ worker, state }: { worker: number; state: { pid?: number } }) =>
      state.pid === undefined ? [] : [{ generation: incumbent, worker, pid: state.pid }],
    );
  }

  /**
   * After the supervisor was killed: waits until the next one, which its keeper starts, has taken over. If the keeper
   * pauses because it restarted zero shortly before, this starts zero by hand as well. Then one of the two gives up.
   */
  async recovered(from: number, noKeeper = false): Promise<void> {
    const byHand = noKeeper || performance.now() - this.#restartedAt < RESET;
    this.#restartedAt = performance.now();
    const started = byHand ? this.#start() : null;
    const starts = [{ zero: this.#zero, from }, ...(started ? [{ zero: started, from: 0 }] : [])];
    const recoveries = starts.map(async (start) => {
      await start.zero.fact('supervisor_recovered', {}, start.from);
      return start;
    });
    const first = await this.#inTime('supervisor_recovered', Promise.any(recoveries));
    this.#zero = first.zero;
    // A second zero that is still starting would take over when the next fault kills the first one.
    if (started !== null && started !== first.zero)
      await this.#inTime('exit of the second zero', started.exited);
    await this.fact('keeper_started', {}, first.from);
  }

  /** Writes the next release: one that exits at once, or a good one. */
  release(kind: 'good' | 'broken'): void {
    this.#zero.rewrite(this.#config(kind));
  }

  signal(name: NodeJS.Signals): void {
    process.kill(this.supervisor, name);
  }

  /** Sets the soft limit of descriptors of the supervisor. Open descriptors stay open. */
  limitDescriptors(limit: number): void {
    execFileSync('prlimit', [`--pid=${this.supervisor}`, `--nofile=${limit}:`]);
  }

  /** Stops zero and returns the results of the clients. */
  async stop(): Promise<LoadResult[]> {
    const results = await Promise.all(this.#loads.map((load) => load.stop()));
    const from = this.cursor;
    this.signal('SIGTERM');
    await this.fact('supervisor_stopped', {}, from);
    return results;
  }

  /** The state file of zero, see docs/reference/formats.md. */
  // biome-ignore lint/suspicious/noExplicitAny: the document of a file.
  #state(): any {
    return JSON.parse(readFileSync(join(this.runtimeDirectory, 'state.json'), 'utf8'));
  }

  async #inTime<Result>(what: string, promise: Promise<Result>): Promise<Result> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        const lines = this.#newest
          .map(({ log }) => log.text.split('\n').slice(-15).join('\n'))
          .join('\n--\n');
        reject(
          new Error(`${what} did not come within ${DEADLINE / 1_000} s; the last lines of zero:\n${lines}`),
        );
      }, DEADLINE).unref();
    });
    try {
      return await Promise.race([promise, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  #start(): Zero {
    mkdirSync(this.folder, { recursive: true });
    const zero = startZero(this.#scope, {
      folder: this.folder,
      config: this.#config('good'),
      survives: true,
    });
    this.#newest = [...this.#newest.slice(-1), zero];
    return zero;
  }

  #config(release: 'good' | 'broken'): RawConfig {
    const broken = join(this.folder, 'broken.js');
    writeFileSync(broken, 'process.exit(3);\n');
    const script = release === 'good' ? fixture('graceful.js') : broken;
    return {
      application: {
        restart_supervisor: 'always',
        runtime_directory: this.runtimeDirectory,
        data_directory: this.dataDirectory,
      },
      service: {
        listeners: [{ name: 'http', address: '127.0.0.1:0' }],
        runtime: { path: process.execPath, args: [script], workers: WORKERS },
        options: { reload_uptime: '0s' },
        handover: { settle: '100ms', drain_timeout: '1s' },
        restart: { backoff: { initial: '10ms', factor: 1 } },
      },
    };
  }
}
