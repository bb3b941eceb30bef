import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pause } from '../clock.ts';
import type { MayLose } from './judge.ts';
import type { Subject } from './subject.ts';

/** Something that goes wrong, or that an operator does. Resolves when the service is as it was before, or as it was deployed. */
export interface Fault {
  /** Nothing where it is left out. */
  readonly mayLose?: MayLose;
  cause(subject: Subject, random: () => number): Promise<void>;
}

/** How long a stopped process stays so at most, and how long after the beginning of a handover a fault happens at most, in ms. */
const LONGEST = 400;
const SIGNALS = 100;
/** Enough for what is open, too few for a handover. */
const FEW_DESCRIPTORS = 8;
const ENOUGH_DESCRIPTORS = 4_096;

async function deploy(subject: Subject, outcome: 'promoted' | 'rolled_back'): Promise<void> {
  const from = subject.cursor;
  subject.signal('SIGHUP');
  await subject.fact('handover_finished', { outcome }, from);
}

async function killSupervisor(subject: Subject): Promise<void> {
  const { cursor } = subject;
  subject.signal('SIGKILL');
  await subject.recovered(cursor);
}

async function stopAndContinue(pid: number, ms: number): Promise<void> {
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

export const FAULTS: Readonly<Record<string, Fault>> = {
  'a deploy': { cause: (subject) => deploy(subject, 'promoted') },
  'a deploy of a broken release': {
    async cause(subject) {
      subject.release('broken');
      try {
        await deploy(subject, 'rolled_back');
      } finally {
        subject.release('good');
      }
    },
  },
  'many reload signals': {
    async cause(subject) {
      for (let sent = 1; sent < SIGNALS; sent += 1) {
        subject.signal('SIGHUP');
        await new Promise((resolve) => setImmediate(resolve));
      }
      await pause(LONGEST);
      await deploy(subject, 'promoted');
    },
  },
  'supervisor killed': { cause: killSupervisor },
  'supervisor killed in a handover': {
    async cause(subject, random) {
      subject.signal('SIGHUP');
      await pause(random() * LONGEST);
      await killSupervisor(subject);
      await deploy(subject, 'promoted');
    },
  },
  'supervisor killed, and its state damaged': {
    async cause(subject) {
      const { keeper, cursor } = subject;
      // Until the file is damaged nobody is started.
      process.kill(keeper, 'SIGSTOP');
      subject.signal('SIGKILL');
      writeFileSync(join(subject.folder, 'run', 'state.json'), '{"version":');
      process.kill(keeper, 'SIGCONT');
      await subject.recovered(cursor);
    },
  },
  'supervisor and keeper killed': {
    mayLose: 'connecting',
    async cause(subject) {
      const { keeper, supervisor, cursor } = subject;
      process.kill(keeper, 'SIGSTOP');
      process.kill(supervisor, 'SIGKILL');
      process.kill(keeper, 'SIGKILL');
      await subject.recovered(cursor, true);
    },
  },
  'keeper killed': {
    async cause(subject) {
      const from = subject.cursor;
      process.kill(subject.keeper, 'SIGKILL');
      await subject.fact('keeper_started', {}, from);
    },
  },
  'zero upgraded': {
    async cause(subject) {
      const from = subject.cursor;
      subject.signal('SIGUSR2');
      await subject.fact('supervisor_upgraded', {}, from);
      await subject.fact('keeper_started', {}, from);
    },
  },
  'supervisor stopped and continued': {
    cause: (subject, random) => stopAndContinue(subject.supervisor, random() * LONGEST),
  },
  'a worker stopped and continued': {
    cause: (subject, random) => stopAndContinue(anyWorker(subject, random).pid, random() * LONGEST),
  },
  'a worker killed': {
    mayLose: 'requests',
    async cause(subject, random) {
      const from = subject.cursor;
      const { pid } = anyWorker(subject, random);
      process.kill(pid, 'SIGKILL');
      // It is started again, unless its generation is retiring by now, or is rolled back because of this.
      await subject.fact('worker_exited', { pid }, from);
    },
  },
  'no descriptor left': {
    async cause(subject) {
      const { supervisor } = subject;
      const open = Math.max(...readdirSync(`/proc/${supervisor}/fd`).map(Number));
      subject.limitDescriptors(open + 1 + FEW_DESCRIPTORS);
      const from = subject.cursor;
      subject.signal('SIGHUP');
      await subject.fact('handover_finished', {}, from);
      subject.limitDescriptors(ENOUGH_DESCRIPTORS);
      await deploy(subject, 'promoted');
    },
  },
};
