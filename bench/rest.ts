import { spawn } from 'node:child_process';
import { contextSwitches, elapse, type Figure, type Measured, privateDirty, startZero } from './harness.ts';

const SERVICE = `service:
  listeners: [{ name: http, address: '127.0.0.1:0' }]
  runtime: { name: idle, path: /bin/sh, args: [-c, 'trap "exit 0" TERM; while :; do sleep 3600 & wait; done'] }
  options: { reload_uptime: 0s }
`;

const RELOADS = { few: 20, many: 1_000 };

/** What a supervisor costs that has nothing to do: after 20 reloads, and after 1,000. */
export async function measureRest(): Promise<Figure[]> {
  const zero = await startZero(SERVICE);
  await zero.fact('handover_finished');
  await reload(zero, RELOADS.few);
  await elapse(30_000);
  const few = privateDirty(zero.pid);
  const before = contextSwitches(zero.pid);
  await elapse(10_000);
  const switches = contextSwitches(zero.pid) - before;
  await reload(zero, RELOADS.many - RELOADS.few);
  await elapse(30_000);
  const many = privateDirty(zero.pid);
  await zero.stop();
  const bare = await bareNode();
  const single = (name: string, unit: string, value: number, most: number, note: string): Figure => {
    const target = { kind: 'at_most' as const, value: most };
    return { name, unit, target, value, low: value, high: value, note, samples: { value: [value] } };
  };
  return [
    single(
      'private dirty memory 30 s after the 20th reload',
      'MB',
      few,
      12,
      `a bare Node has ${bare.toFixed(1)} MB`,
    ),
    single('context switches of all threads in 10 s at rest', '', switches, 1, ''),
    single(
      'private dirty memory after 1,000 reloads over that after 20',
      'x',
      many / few,
      1.1,
      `${many.toFixed(1)} MB`,
    ),
  ];
}

async function reload(zero: Measured, times: number): Promise<void> {
  for (let i = 0; i < times; i++) {
    zero.signal('SIGHUP');
    await zero.fact('handover_finished');
    await zero.fact('generation_gone');
  }
}

async function bareNode(): Promise<number> {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e9)'], { stdio: 'ignore' });
  await elapse(3_000);
  const memory = privateDirty(child.pid ?? 0);
  child.kill('SIGKILL');
  return memory;
}
