import type { Generations } from '../../src/supervisor/run/generations.ts';
import type { PreparedReleases } from '../../src/supervisor/run/prepared-releases.ts';
import { drawBehaviour, drawSettings, soundOf } from './draw.ts';
import { configFor } from './fake-prepare.ts';
import { PATH, preparedOf } from './fake-prepared.ts';
import { Random } from './random.ts';
import type { World } from './world.ts';

const INIT = 1;
const NEVER = Number.POSITIVE_INFINITY;
const GENERATION = 1;

/** The share of histories that begin with an already running service. */
const ADOPTING = 0.15;

export function drawsAdoption(seed: number): boolean {
  return new Random(seed + 8_000_000_000).chance(ADOPTING);
}

/**
 * A service that runs before the supervisor: it accepts on lane 0, and its parent is init. Returns the first event of
 * the supervisor.
 */
export function adoptFirst(
  world: World,
  seed: number,
  { generations, releases }: { readonly generations: Generations; readonly releases: PreparedReleases },
) {
  const random = new Random(seed + 9_000_000_000);
  const { kernel, listeners, files, faults, behaviours, prepared, books } = world;
  const drawn = soundOf(drawBehaviour(random, random, random, 1));
  const crashAfter = random.pick([NEVER, NEVER, 50, 2_500, 30_000]);
  const behaviour = { ...drawn, crashAfter, replaceAfter: NEVER, drains: false, speaks: false, leftovers: 0 };
  behaviours.set(GENERATION, { ...behaviour, protectedFrom: false });
  files.adopted(GENERATION);
  const settings = { ...drawSettings(random, random, random, world.notices), workers: 1 };
  const config = configFor(settings);
  const acquired = listeners.acquire(config.service.listeners, settings.handover.steered);
  const made = preparedOf(config, settings, acquired, files.inode);
  prepared.set(GENERATION, made);
  books.settings.set(GENERATION, settings);
  const { isCalm } = faults;
  faults.isCalm = true;
  const pid = kernel.spawn({
    path: PATH,
    argv: [PATH],
    // The world finds the generation of the process by this name.
    environment: [`NOTIFY_SOCKET=/elsewhere/${GENERATION}.0.1`],
    descriptors: new Map(acquired.listeners.map(({ fd }, index) => [20 + index, fd])),
  });
  const process = kernel.processes.get(pid);
  if (process) process.ppid = INIT;
  releases.restore(GENERATION, made);
  generations.add(GENERATION);
  generations.adopt({
    key: { generation: GENERATION, worker: 0, incarnation: 1 },
    pid,
    startTime: process?.startTime ?? 0,
    session: pid,
    lane: 0,
    rescue: false,
    first: 0,
    since: 0,
    waiting: [],
    pipes: { stdout: null, stderr: null, ready: null },
    adopted: true,
  });
  faults.isCalm = isCalm;
  return { type: 'adopted', settings, pid, since: 0 } as const;
}
