import assert from 'node:assert/strict';
import { nameOf } from './books.ts';
import { isSound } from './draw.ts';
import type { FakeService } from './fake-service.ts';
import { exceptionsAreReported } from './invariants-failures.ts';
import type { World } from './world.ts';

/**
 * After a long time without events, with a sound service, everything that the kernel accepted has been served, and
 * every lane without a worker can be reused.
 */
export function checkQuiet(world: World): void {
  const serving = world.serving();
  const behaviour = serving === null ? undefined : world.behaviours.get(serving);
  if (world.exit || world.state.stop || world.state.handover || !behaviour || !isSound(behaviour)) return;
  // With shutdown_timeout 0 a worker that does not exit keeps its lane and the connections in it.
  const endless = world.state.generations
    .flatMap(({ workers }) => workers)
    .filter(({ life }) => life.name === 'stopping' && life.killAt === null);
  const kept = new Set(endless.map(({ lane }) => lane));
  for (const lane of world.network.lanes().filter((one) => !kept.has(one))) {
    assert.equal(world.network.waiting(lane), 0, `connections were left in lane ${lane}`);
  }
  const { generations, lanes } = world.state;
  const held = generations.flatMap(({ workers }) => workers.map(({ lane }) => lane));
  for (const [lane, { waiting }] of lanes.entries()) {
    assert.ok(held.includes(lane) || !waiting, `lane ${lane} is empty and will never be used again`);
  }
}

/** The conditions at the end of a history: every wait has ended. */
export function checkEnd(world: World): void {
  exceptionsAreReported(world);
  if (world.exit === null) {
    const isIgnored = ({ signalled, behaviour, hung, process }: FakeService) =>
      signalled && (behaviour.ignoresSignal || hung || process.state === 'D');
    const endless = world.services.some(
      (service) =>
        service.alive &&
        isIgnored(service) &&
        world.books.settings.get(service.generation)?.shutdownTimeout === 0,
    );
    const outlived = world.state.generations.some(
      ({ remains, settings }) => remains.length > 0 && settings.shutdownTimeout === 0,
    );
    assert.ok(endless || outlived, 'the supervisor never exited, although its waits have limits');
    return;
  }
  for (const ticket of world.books.tickets)
    assert.ok(world.books.verdicts.has(ticket), `ticket ${ticket} was never answered`);
  for (const ticket of world.books.scales.keys())
    assert.ok(world.books.scaled.has(ticket), `scale request ${ticket} was never answered`);
  const { nextHandover } = world.state;
  for (let id = 1; id < nextHandover; id += 1)
    assert.ok(world.books.conclusions.has(id), `handover ${id} was never concluded`);
  const left = world.services.filter(
    (process) =>
      process.alive && !process.isUnstoppable && !wasLost(world, process) && !wasHidden(world, process),
  );
  assert.deepEqual(
    left.map(({ pid }) => pid),
    [],
    'the supervisor left processes behind',
  );
  for (const [hook, { killed }] of world.hooks.running) assert.ok(killed, `hook ${hook} was left behind`);
  assert.equal(world.listeners.held, world.state.generations.length);
}

/**
 * A failed start had to be undone, and a defect prevented SIGKILL to the process, which may have announced a successor
 * since.
 */
function wasLost({ books, faults }: World, service: FakeService): boolean {
  return !books.spawned.has(nameOf(service)) && faults.spared.has(service.spawnedPid);
}

/**
 * A service announced another main process while no supervisor ran. That process is found only by its environment,
 * which the kernel may refuse to show.
 */
function wasHidden({ books, crashes, faults }: World, service: FakeService): boolean {
  const { inStep, atRest } = crashes.counts;
  const isForeign = inStep + atRest > 0 && service.pid !== service.spawnedPid;
  const isRefused = (faults.counts.EPERM ?? 0) + (faults.counts.ESRCH ?? 0) > 0;
  return isForeign && isRefused && books.exited.has(nameOf(service));
}
