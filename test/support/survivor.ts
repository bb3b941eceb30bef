import { chownSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { FactOf } from './fact-log.ts';
import { freeze } from './freeze.ts';
import { installZero } from './installed.ts';
import { startLoad } from './load.ts';
import { fixture } from './paths.ts';
import { type Account, asAccount, sharedFolder, withoutTracing } from './privileges.ts';
import { childrenOf } from './processes.ts';
import { type PuppetSections, type PuppetService, startServing } from './puppet-service.ts';
import { seededRandom } from './random.ts';
import type { Scope } from './temporary.ts';
import { startZero, type Zero, type ZeroOptions } from './zero.ts';

type Serving = Awaited<ReturnType<typeof startServing>>;

/** Starts a service on a steered listener whose keeper restarts a killed supervisor. */
export function startSurvivor(
  scope: Scope,
  sections: PuppetSections = {},
  options: Pick<ZeroOptions, 'environment'> = {},
): Promise<Serving> {
  const application = { restart_supervisor: 'always', ...sections.application };
  const handover = { settle: '100ms', drain_timeout: '1s', ...sections.handover };
  return startServing(scope, { ...sections, application, handover }, { ...options, survives: true });
}

/** The latest supervisor. */
export function supervisorPid({ log }: Zero): number {
  return log.all('supervisor_started').at(-1)?.pid ?? 0;
}

/** Kills the supervisor, and waits until the next one, which the keeper starts, has taken over. */
export async function killSupervisor({
  zero,
}: Pick<PuppetService, 'zero'>): Promise<FactOf<'supervisor_recovered'>> {
  const { cursor } = zero;
  process.kill(supervisorPid(zero), 'SIGKILL');
  return zero.fact('supervisor_recovered', {}, cursor);
}

/** The current keeper. */
export async function keeperPid({ log }: Zero): Promise<number> {
  await log.fact('keeper_started');
  return log.all('keeper_started').at(-1)?.pid ?? 0;
}

interface KillOptions {
  readonly kills: number;
  readonly as?: Account | null;
  readonly seed?: number;
  readonly keepers?: boolean;
  readonly restricted?: boolean;
}

/** Kills the supervisor and its keeper. Nothing restarts it, and only its workers hold its sockets. */
export async function killWithKeeper({ pid, process: child, exited }: Zero): Promise<void> {
  // Stopped, so that the supervisor does not replace the keeper, and the keeper does not see its exit.
  await freeze({ pid });
  const keepers = childrenOf(pid, 'zero-keeper');
  for (const keeper of keepers) await freeze({ pid: keeper });
  child.kill('SIGKILL');
  await exited;
  for (const keeper of keepers) process.kill(keeper, 'SIGKILL');
}

export interface Killed {
  readonly sent: number;
  readonly failed: number;
  /** The errors of the first lost requests. */
  readonly losses: readonly string[];
}

/**
 * Kills the supervisor of a service of two workers repeatedly, every third time during a handover, and starts the next
 * one each time. Counts the requests that clients with short and with keep-alive connections lose.
 * @param options `as`: the user who runs zero; `seed` chooses the moments; `keepers`: the keeper is killed too;
 * `restricted`: zero may not take descriptors of another process
 */
export async function killUnderLoad(
  scope: Scope,
  { kills, as = null, seed = 1, keepers = false, restricted = false }: KillOptions,
): Promise<Killed> {
  const random = seededRandom(seed);
  const command =
    as || restricted
      ? [...(as ? asAccount(as) : []), ...(restricted ? withoutTracing() : []), ...installZero(scope).command]
      : null;
  const options = { ...(command && { command: command as [string, ...string[]] }) };
  let zero = startZero(scope, {
    ...options,
    ...(as && { folder: ownFolder(scope, as) }),
    config: {
      service: {
        listeners: [{ name: 'http', address: '127.0.0.1:0' }],
        runtime: { path: process.execPath, args: [fixture('graceful.js')], workers: 2 },
        handover: { settle: '100ms', drain_timeout: '1s' },
      },
    },
  });
  await zero.fact('generation_promoted', { generation: 1 });
  const target = await zero.address('http');
  const { folder, config } = zero;
  const loads = (['short', 'keep-alive'] as const).map((connections) =>
    startLoad(scope, { target, clients: 2, connections, think: { from: 1, to: 5 } }),
  );
  for (let kill = 1; kill <= kills; kill += 1) {
    await keeperPid(zero);
    if (kill % 3 === 0) zero.signal('SIGHUP');
    // At any moment of the handover, or of the start of the supervisor.
    await new Promise((resolve) => setTimeout(resolve, random() * 200));
    if (keepers) await killWithKeeper(zero);
    else zero.signal('SIGKILL');
    zero = startZero(scope, { ...options, folder, args: ['--config', `${config}`] });
    await zero.fact('supervisor_recovered');
  }
  const results = await Promise.all(loads.map((load) => load.stop()));
  zero.signal('SIGQUIT');
  await zero.exited;
  return {
    sent: results.reduce((sum, { sent }) => sum + sent, 0),
    failed: results.reduce((sum, { failed }) => sum + failed, 0),
    losses: results.flatMap(({ losses }) => losses.slice(0, 5).map((loss) => JSON.stringify(loss))),
  };
}

function ownFolder(scope: Scope, { uid, gid }: Account): string {
  const folder = sharedFolder(scope);
  for (const directory of [folder, join(folder, 'xdg-run')]) {
    mkdirSync(directory, { recursive: true });
    chownSync(directory, uid, gid);
  }
  return folder;
}
