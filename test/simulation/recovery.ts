import assert from 'node:assert/strict';
import type { Continued, FoundWorker, WorkerKey } from '../../src/lifecycle/events.ts';
import { isAdopted } from '../../src/lifecycle/lane.ts';
import { generationOf, type State } from '../../src/lifecycle/state.ts';
import { continuedFrom } from '../../src/supervisor/recovery/continued.ts';
import { missingOf } from '../../src/supervisor/recovery/find-processes.ts';
import { judge } from '../../src/supervisor/recovery/judge.ts';
import type { Generations } from '../../src/supervisor/run/generations.ts';
import type { Prepared } from '../../src/supervisor/run/prepare.ts';
import type { PreparedReleases } from '../../src/supervisor/run/prepared-releases.ts';
import type { RecoveredProcess } from '../../src/supervisor/run/worker-parts.ts';
import type { SavedState } from '../../src/supervisor/state-format/read.ts';
import { stateOf } from '../../src/supervisor/state-format/restore.ts';
import type { Process } from '../../src/supervisor/state-format/write.ts';
import { StateText } from '../../src/supervisor/state-format/write-text.ts';
import { nameOf } from './books.ts';
import type { Written } from './crashes.ts';
import { preparedOf } from './fake-prepared.ts';
import { READY_FD } from './fake-service.ts';
import type { Life } from './life.ts';
import type { World } from './world.ts';

const SUPERVISOR = {
  version: '0.1.0',
  instance: 'simulated',
  configFile: null,
  bootId: 'boot',
  pid: 2,
  startTime: 1,
  restarts: 0,
  upgrades: 0,
  firstStarted: 0,
};
const KEEPER = { pid: 1, startTime: 0 };

/** The data that a supervisor finds when it continues from the state of a dead one. */
export class Recovery {
  readonly state: State;
  readonly #saved: SavedState;
  readonly #world: World;
  readonly #dead: Life;
  readonly #processes: readonly Process[];
  readonly #isUpgrade: boolean;
  /** Generations created in the last step, and the handover that each was prepared for. */
  readonly #adopting: ReadonlyMap<number, number>;

  constructor(world: World, dead: Life, { state, processes, inProgress }: Written, isUpgrade: boolean) {
    const situation = { state, processes, listeners: [], verifyOf: () => undefined, inProgress };
    const saved: SavedState = JSON.parse(new StateText().of(SUPERVISOR, situation));
    const isAlive = () => 'alive' as const;
    const facts = { pidNamespace: 1, isAlive, keeper: KEEPER, isUpgrade, survivors: () => [] };
    const judgement = judge({ state: saved }, null, facts);
    assert.equal(judgement.verdict, 'recover');
    this.#world = world;
    this.#dead = dead;
    this.#saved = saved;
    this.#processes = processes;
    this.#isUpgrade = isUpgrade;
    this.#adopting = new Map(
      inProgress.flatMap((effect) =>
        effect.type === 'adopt' ? [[effect.generation, effect.handover] as const] : [],
      ),
    );
    this.state = stateOf(saved);
  }

  /** Takes over every generation with its running processes. */
  adopt(generations: Generations, releases: PreparedReleases): FoundWorker[] {
    for (const { id } of this.state.generations) {
      releases.restore(id, this.#prepared(id));
      generations.add(id);
    }
    const recorded = this.#processes.flatMap((process) => this.#recovered(process) ?? []);
    const processes = [...recorded, ...this.#strays(recorded)];
    const found = processes.map((process) => generations.adopt(process));
    // The exits of a batch are recorded one by one, and all its processes have already exited.
    const missing = missingOf(this.state, processes);
    const exit = { kind: 'unknown' } as const;
    return [...found, ...missing.map((key) => ({ ...key, found: 'gone', exit, leftovers: 0 }) as const)];
  }

  continued(workers: readonly FoundWorker[]): Continued {
    const hooks = [...this.#world.hooks.running.keys()];
    return continuedFrom(this.#saved, { workers, hooks, planned: this.#isUpgrade });
  }

  /** The prepared data of a generation. The supervisor may have died before the generation got it. */
  #prepared(id: number): Prepared {
    const { prepared, listeners, books } = this.#world;
    const made = prepared.get(id) ?? this.#preparedLate(id);
    const settings = books.settings.get(id);
    const acquired = listeners.acquire(made.config.service.listeners, settings?.handover.steered);
    return { ...made, acquired, close: () => acquired.release() };
  }

  /** It uses the current files, like every generation at its adoption. */
  #preparedLate(id: number): Prepared {
    const found = this.#dead.releases.ofHandover(this.#adopting.get(id) ?? -1);
    assert.ok(found, `generation ${id} was prepared`);
    const { config, settings, acquired } = found;
    const made = preparedOf(config, settings, acquired, this.#world.files.inode);
    this.#world.adoptedLate(id, made);
    return made;
  }

  #recovered({ key, pipes, ...process }: Process): RecoveredProcess | null {
    const generation = generationOf(this.state, key.generation);
    const worker = generation?.workers[key.worker];
    if (!generation || !worker || !pipes) return null;
    const { lane, rescue, life } = worker;
    const isThis = worker.incarnation === key.incarnation;
    const waiting =
      isThis && life.name === 'up'
        ? life.waiting
        : isThis && life.name === 'spawning'
          ? generation.settings.gates
          : [];
    const since = isThis && 'since' in life ? life.since : this.#world.clock;
    const first = rescue ? undefined : generation.firstLane;
    const adopted = isThis && isAdopted(generation, worker);
    return { key, ...process, pipes, lane, rescue, first, since, waiting, adopted };
  }

  /** Workers whose start was ordered. */
  #spawning(): WorkerKey[] {
    return this.state.generations.flatMap(({ id: generation, workers }) =>
      workers.flatMap(({ index: worker, incarnation, life }) =>
        life.name === 'spawning' ? [{ generation, worker, incarnation }] : [],
      ),
    );
  }

  /** Workers that were started and are not in the state. */
  #strays(known: readonly RecoveredProcess[]): RecoveredProcess[] {
    const names = new Set(known.map(({ key }) => nameOf(key)));
    return this.#spawning().flatMap((key) => {
      if (names.has(nameOf(key))) return [];
      const service = this.#world.find(key);
      const { process } = service ?? {};
      if (!service?.alive || !process) return [];
      const ready = process.pipes.get(READY_FD) ?? null;
      const pipes = {
        stdout: process.pipes.get(1)?.inode ?? null,
        stderr: process.pipes.get(2)?.inode ?? null,
        ready: ready && { fd: READY_FD, inode: ready.inode },
      };
      const { pid, startTime } = process;
      const found = this.#recovered({ key, pid, startTime, session: service.spawnedPid, pipes });
      return found ? [found] : [];
    });
  }

  /** Callers that wait in the state. */
  callers(): Set<string> {
    const { handover, pending, owed } = this.state;
    const callers = [handover?.request, pending, ...owed].flatMap((one) => one?.callers ?? []);
    return new Set(callers.flatMap(({ ticket }) => ticket ?? []));
  }

  /** Handovers whose final verdict may not have been delivered. */
  concluded(): Set<number | null> {
    return new Set(
      (this.#saved.in_progress ?? []).flatMap((one) =>
        one.effect === 'conclude' ? [one.verdict.handover] : [],
      ),
    );
  }

  /** Allows these signals again, which the dead supervisor may have sent. */
  allowAgain(): void {
    for (const one of this.#saved.in_progress ?? []) {
      if (one.effect !== 'signal') continue;
      const service = this.#world.find(one);
      if (service) service.mayGetSignalAgain = true;
    }
  }
}
