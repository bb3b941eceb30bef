import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CONNECTION_STATES, dumpTcp, stateMask } from '../../src/linux/inet-diag.ts';
import { socketsOf } from '../../src/linux/socket-holder.ts';
import { freeze } from '../../test/support/freeze.ts';
import { whenEnded } from '../../test/support/process-end.ts';
import { pause } from '../clock.ts';
import type { MayLose } from './judge.ts';
import type { Subject } from './subject.ts';

/**
 * Causes a fault, or acts as an operator. Resolves when the service runs again as before or as deployed. Resolves to
 * the connections that clients may have lost; to undefined if they may lose none.
 */
export type Fault = (subject: Subject, random: () => number) => Promise<MayLose | undefined>;

/** Limit for how long a process stays stopped, and for how late in a handover a fault happens, in ms. */
const MAX_WAIT = 400;
/** How long a worker is stopped before it is killed, in ms. */
const NOTICE = 20;
const SIGNALS = 100;
/** Enough descriptors for the open files, too few for a handover. */
const FEW_DESCRIPTORS = 8;
const ENOUGH_DESCRIPTORS = 4_096;

async function deploy(subject: Subject, outcome: 'promoted' | 'rolled_back'): Promise<undefined> {
  const from = subject.cursor;
  subject.signal('SIGHUP');
  await subject.fact('handover_finished', { outcome }, from);
}

async function killSupervisor(subject: Subject): Promise<undefined> {
  const { cursor } = subject;
  subject.signal('SIGKILL');
  await subject.recovered(cursor);
}

async function stopAndContinue(pid: number, ms: number): Promise<undefined> {
  process.kill(pid, 'SIGSTOP');
  try {
    await pause(ms);
  } finally {
    process.kill(pid, 'SIGCONT');
  }
}

function anyWorker(subject: Subject, random: () => number) {
  const workers = subject.workers();
  const chosen = workers[Math.floor(random() * workers.length)];
  if (chosen === undefined) throw new Error('no worker serves');
  return chosen;
}

/** Retries while another process writes into the directory. */
function remove(directory: string): void {
  rmSync(directory, { recursive: true, force: true, maxRetries: 10 });
}

/** Resolves when zero has created the directory again. */
async function deleteDirectory(subject: Subject): Promise<undefined> {
  const from = subject.cursor;
  remove(subject.runtimeDirectory);
  await subject.fact('warning', { about: 'runtime' }, from);
}

export const FAULTS: Readonly<Record<string, Fault>> = {
  'a deploy': (subject) => deploy(subject, 'promoted'),
  async 'a deploy of a broken release'(subject) {
    subject.release('broken');
    try {
      await deploy(subject, 'rolled_back');
    } finally {
      subject.release('good');
    }
  },
  async 'many reload signals'(subject) {
    for (let sent = 1; sent < SIGNALS; sent += 1) {
      subject.signal('SIGHUP');
      await new Promise((resolve) => setImmediate(resolve));
    }
    await pause(MAX_WAIT);
    await deploy(subject, 'promoted');
  },
  'supervisor killed': killSupervisor,
  async 'supervisor killed in a handover'(subject, random) {
    subject.signal('SIGHUP');
    await pause(random() * MAX_WAIT);
    await killSupervisor(subject);
    await deploy(subject, 'promoted');
  },
  async 'supervisor killed, and its state damaged'(subject) {
    const { keeper, cursor } = subject;
    // The keeper must not start a zero before the file is damaged.
    process.kill(keeper, 'SIGSTOP');
    subject.signal('SIGKILL');
    writeFileSync(join(subject.runtimeDirectory, 'state.json'), '{"version":');
    process.kill(keeper, 'SIGCONT');
    await subject.recovered(cursor);
  },
  async 'supervisor killed, and its runtime directory deleted'(subject) {
    const { keeper, cursor } = subject;
    process.kill(keeper, 'SIGSTOP');
    subject.signal('SIGKILL');
    remove(subject.runtimeDirectory);
    process.kill(keeper, 'SIGCONT');
    await subject.recovered(cursor);
  },
  async 'supervisor and keeper killed'(subject) {
    const { keeper, supervisor, cursor } = subject;
    const isExposed = subject.hasLeftLanes();
    const ended = [keeper, supervisor].map(whenEnded);
    process.kill(keeper, 'SIGSTOP');
    const from = subject.time;
    process.kill(supervisor, 'SIGKILL');
    process.kill(keeper, 'SIGKILL');
    await Promise.all(ended);
    const to = subject.time;
    await subject.recovered(cursor, true);
    if (isExposed) return { kind: 'connecting', from, to };
  },
  async 'keeper killed'(subject) {
    const from = subject.cursor;
    process.kill(subject.keeper, 'SIGKILL');
    await subject.fact('keeper_started', {}, from);
  },
  async 'zero upgraded'(subject) {
    const from = subject.cursor;
    subject.signal('SIGUSR2');
    await subject.fact('supervisor_upgraded', {}, from);
    await subject.fact('keeper_started', {}, from);
  },
  async 'runtime directory deleted'(subject) {
    await deleteDirectory(subject);
    await deploy(subject, 'promoted');
  },
  async 'data directory deleted'(subject) {
    remove(subject.dataDirectory);
    await deploy(subject, 'promoted');
  },
  'supervisor stopped and continued': (subject, random) =>
    stopAndContinue(subject.supervisor, random() * MAX_WAIT),
  'a worker stopped and continued': (subject, random) =>
    stopAndContinue(anyWorker(subject, random).pid, random() * MAX_WAIT),
  async 'a worker killed'(subject, random) {
    const from = subject.cursor;
    const { pid } = anyWorker(subject, random);
    // Only the connections that the worker has accepted are lost. The worker is stopped before the kill, so that it
    // accepts no more, for as long as clients need to notice that they are connected.
    await freeze({ pid });
    const ports = clientPorts(pid, subject.port);
    await pause(NOTICE);
    const at = subject.time;
    process.kill(pid, 'SIGKILL');
    // The worker is not started again if its generation is retiring, or is rolled back because of this.
    await subject.fact('worker_exited', { pid }, from);
    return { kind: 'connections', pid, at, ports };
  },
  async 'no descriptor left'(subject) {
    const { supervisor } = subject;
    const open = Math.max(...readdirSync(`/proc/${supervisor}/fd`).map(Number));
    subject.limitDescriptors(open + 1 + FEW_DESCRIPTORS);
    const from = subject.cursor;
    subject.signal('SIGHUP');
    await subject.fact('handover_finished', {}, from);
    subject.limitDescriptors(ENOUGH_DESCRIPTORS);
    await deploy(subject, 'promoted');
  },
};

/** The ports of the clients whose connections a process has accepted on a port. */
function clientPorts(pid: number, port: number): Set<number> {
  const inodes = new Set(socketsOf(pid));
  const connections = [...dumpTcp(port, stateMask(...CONNECTION_STATES))].flat();
  return new Set(connections.filter(({ inode }) => inodes.has(inode)).map(({ remote }) => remote.port));
}
