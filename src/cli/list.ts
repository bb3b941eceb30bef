import { setMaxListeners } from 'node:events';
import { PROTOCOL } from '../control/version.ts';
import { CommandError, EXIT } from './exit-code.ts';
import { here, type Surroundings } from './find-instance.ts';
import { Board } from './instances/board.ts';
import { instancesIn } from './instances/find.ts';
import { type Overview, overviewsOf, quickClientOf } from './instances/overview.ts';
import type { Instance } from './instances/record.ts';
import { type ListDocument, renderList } from './render/list.ts';
import { Redraw } from './render/redraw.ts';
import { painter, type Terminal } from './render/style.ts';
import { renderWatchedList } from './render/watched-list.ts';
import { documentPrinter, requireTerminal, Wake } from './watching.ts';
import { type CommandContext, processContext } from './with-instance.ts';

export interface ListOptions {
  readonly json: boolean;
  /** Keeps updating. */
  readonly watch: boolean;
}

/** `zero list`: lists every instance that this user may see; for root, all instances. Resolves to the exit code. */
export async function list(
  { json, watch }: ListOptions,
  context: CommandContext = processContext(),
): Promise<number> {
  const { terminal, interrupted } = context;
  try {
    if (watch) return await watchInstances(json, context);
    const document = await look(context.surroundings ?? here(), interrupted);
    const width = terminal.size()?.columns ?? null;
    terminal.out(
      json
        ? `${JSON.stringify(document, null, 2)}\n`
        : renderList(document, { paint: painter(terminal.outColour), width }),
    );
    return EXIT.done;
  } catch (error) {
    if (interrupted.aborted) return watch ? EXIT.done : EXIT.failed;
    if (!(error instanceof CommandError)) throw error;
    terminal.err(`zero list: ${error.message}\n`);
    return error.exitCode;
  }
}

/** Asks all instances at once. */
async function look({ roots, uid }: Surroundings, signal: AbortSignal): Promise<ListDocument> {
  // Each request adds a listener to the signal, and Node warns about more than 10.
  setMaxListeners(0, signal);
  return documentOf(uid, await overviewsOf(instancesIn(roots), signal));
}

function documentOf(uid: number, instances: readonly Overview[]): ListDocument {
  return { version: PROTOCOL, uid, instances: instances.toSorted(byName) };
}

function byName(one: Overview, other: Overview): number {
  return one.name.localeCompare(other.name) || one.uid - other.uid;
}

/** Runs until Ctrl-C, which is not a failure. */
async function watchInstances(json: boolean, context: CommandContext): Promise<number> {
  const { terminal, clock, interrupted } = context;
  requireTerminal(json, terminal);
  const show = json ? documentPrinter(terminal.out, VOLATILE) : drawer(terminal);
  const wake = new Wake(clock, terminal);
  const followers = new Followers(wake, interrupted);
  const board = new Board(interrupted, clock, () => wake.up());
  interrupted.addEventListener('abort', () => wake.finish(), { once: true });
  try {
    while (!wake.over) {
      // Read again each time, because instances and users come and go.
      const { roots, uid } = context.surroundings ?? here();
      const instances = instancesIn(roots);
      followers.follow(instances);
      const known = await board.look(instances);
      if (known !== null) show(documentOf(uid, known));
      if (!(await terminal.taken())) break;
      await wake.next();
    }
    return EXIT.done;
  } finally {
    wake.end();
    followers.end();
  }
}

/** Fields that change with time alone, or with each connection. */
const VOLATILE: ReadonlySet<string> = new Set([
  'uptime_ms',
  'cpu_percent',
  'memory_bytes',
  'queue',
  'last_event',
]);

function drawer(terminal: Terminal): (document: ListDocument) => void {
  const redraw = new Redraw(terminal, 'zero list');
  const paint = painter(terminal.outColour);
  return (document) => {
    const { columns: width, rows } = terminal.size() ?? { columns: 80, rows: 24 };
    redraw.draw(renderWatchedList(document, { paint, width, rows }));
  };
}

/** Wakes up at every event of every instance. */
class Followers {
  readonly #wake: Wake;
  readonly #controller = new AbortController();
  readonly #signal: AbortSignal;
  readonly #followed = new Set<string>();

  constructor(wake: Wake, interrupted: AbortSignal) {
    this.#wake = wake;
    this.#signal = AbortSignal.any([this.#controller.signal, interrupted]);
    setMaxListeners(0, this.#signal);
  }

  follow(instances: readonly Instance[]): void {
    for (const instance of instances) {
      const { controlSocket } = instance;
      if (this.#followed.has(controlSocket)) continue;
      this.#followed.add(controlSocket);
      // An instance that cannot be followed is asked every second like all others, and followed as soon as it can be.
      void this.#follow(instance).finally(() => this.#followed.delete(controlSocket));
    }
  }

  end(): void {
    this.#controller.abort();
  }

  async #follow(instance: Instance): Promise<void> {
    try {
      for await (const _ of quickClientOf(instance).events(this.#signal)) this.#wake.up();
    } catch {
      // The instance has ended or does not answer. The next frame shows that.
    }
  }
}
