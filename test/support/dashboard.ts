import { startCommand } from './command.ts';
import { freeAddress } from './free-address.ts';
import { freeze } from './freeze.ts';
import { startLoad } from './load.ts';
import { nextReady, startPuppetService } from './puppet-service.ts';
import { keeperPid, supervisorPid } from './survivor.ts';
import type { Scope } from './temporary.ts';
import type { Zero } from './zero.ts';

/** The states that a dashboard shows to users, in the order in which the visit reaches them. */
export type DashboardState = 'idle' | 'canary' | 'rolled-back' | 'gone' | 'back' | 'crash-loop';

/** Called during each state. */
export type Visit = (state: DashboardState, zero: Zero) => Promise<void>;

/** The output of the rolled back candidate before its exit. */
export const LAST_OUTPUT = [
  'reading /etc/shop/settings.json',
  '<script>alert(1)</script> settings \u001b[31mare damaged\u001b[0m at line 3',
  'Error: unexpected end of settings',
];

const HANDOVER = {
  mode: 'auto',
  canary: { steps: [{ percent: 25, for: '10m' }] },
  settle: '100ms',
  drain_timeout: '1s',
};
/** The last restart follows after 12 s. Until then the service is down. */
const RESTART = { backoff: { initial: '150ms', factor: 9, max: '1m' } };

/**
 * Starts a service under load with the admin endpoint, and brings it into every state. Resolves after the last visit.
 * @param started called with the address of the endpoint before the first visit
 */
export async function visitDashboard(
  scope: Scope,
  started: (address: string, zero: Zero) => Promise<void>,
  visit: Visit,
): Promise<void> {
  const address = await freeAddress();
  const sections = {
    application: { admin: { address }, restart_supervisor: 'always' },
    runtime: { name: 'shop', workers: 2 },
    handover: HANDOVER,
    restart: RESTART,
  };
  const { zero, puppets } = await startPuppetService(scope, sections, { survives: true });
  const nextTwo = async () => [await nextReady(puppets), await nextReady(puppets)] as const;
  await nextTwo();
  await zero.fact('generation_promoted');
  await zero.fact('admin_listening');
  const target = await zero.address('http');
  const ask = () =>
    startLoad(scope, {
      target,
      clients: 40,
      connections: 'keep-alive',
      think: { from: 50, to: 250 },
    });
  let load = ask();
  await started(address, zero);
  await visit('idle', zero);

  const reloading = startCommand(scope, zero, ['reload', '--label', 'v2.1.0']);
  let workers = await nextTwo();
  await zero.fact('handover_step', { handover: 2, step: 'canary' });
  // New connections, of which the canary gets a share.
  await load.stop();
  load = ask();
  await visit('canary', zero);
  await startCommand(scope, zero, ['promote']).finished;
  await reloading.finished;

  const failing = startCommand(scope, zero, ['reload', '--label', 'v2.2.0']);
  const [candidate] = [await puppets.next(), await puppets.next()];
  await candidate.write(2, `${LAST_OUTPUT.join('\n')}\n`);
  await candidate.exit(1);
  await failing.finished;
  await visit('rolled-back', zero);

  const keeper = await keeperPid(zero);
  const { cursor } = zero;
  await freeze({ pid: keeper });
  process.kill(supervisorPid(zero), 'SIGKILL');
  await visit('gone', zero);
  process.kill(keeper, 'SIGCONT');
  await zero.fact('supervisor_recovered', {}, cursor);
  await visit('back', zero);

  await load.stop();
  for (let restarts = 0; restarts < 3; restarts += 1) {
    await Promise.all(workers.map((worker) => worker.exit(3)));
    workers = await nextTwo();
  }
  await Promise.all(workers.map((worker) => worker.exit(3)));
  await visit('crash-loop', zero);
}
