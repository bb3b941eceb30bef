import { cpus, loadavg, release, totalmem } from 'node:os';

/** The machine and the time of a measurement. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memory: string;
  readonly kernel: string;
  readonly node: string;
  readonly date: string;
  /** Load average of the last minute. */
  readonly load: number;
}

export function describeMachine(): Machine {
  const all = cpus();
  return {
    cpu: all[0]?.model.trim() ?? 'unknown',
    cores: all.length,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    kernel: `Linux ${release()}`,
    node: process.version,
    date: new Date().toISOString().slice(0, 16).replace('T', ' '),
    load: loadavg()[0] ?? 0,
  };
}

/** One line without the date. */
export function machineText({ cpu, cores, memory, kernel, node }: Machine): string {
  return `${cpu}, ${cores} cores, ${memory}, ${kernel}, Node ${node}`;
}
