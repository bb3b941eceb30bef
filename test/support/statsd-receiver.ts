import { createSocket } from 'node:dgram';
import { Journal } from './journal.ts';
import type { Scope } from './temporary.ts';

/** One measurement as received: `name,key=value,key=value:1|c`. */
export interface ReceivedMetric {
  readonly name: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly value: number;
  readonly type: string;
}

export interface StatsdReceiver {
  readonly port: number;
  readonly metrics: readonly ReceivedMetric[];
  /** The first one with this name at or after `from`, received already or later. */
  metric(name: string, from?: number): Promise<ReceivedMetric>;
}

/** Listens on a UDP port of the loopback interface. */
export async function startStatsdReceiver(scope: Scope): Promise<StatsdReceiver> {
  const journal = new Journal<ReceivedMetric>();
  const socket = createSocket('udp4', (message) => {
    for (const line of message.toString().split('\n')) if (line !== '') journal.push(readMetric(line));
  });
  scope.after(() => {
    socket.close();
    journal.close(() => new Error('the test is over'));
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(0, '127.0.0.1', resolve);
  });
  return {
    port: socket.address().port,
    metrics: journal.entries,
    metric: (name, from = 0) => journal.waitFor((metric) => metric.name === name, from),
  };
}

function readMetric(line: string): ReceivedMetric {
  const [, head = '', value, type = ''] = /^(.+):(-?[\d.]+)\|(\w+)$/.exec(line) ?? [];
  if (value === undefined) throw new Error(`not a metric: ${JSON.stringify(line)}`);
  const [name = '', ...tags] = head.split(',');
  const pairs = tags.map((tag) => tag.split('=').map(decodeURIComponent) as [string, string]);
  return { name, tags: Object.fromEntries(pairs), value: Number(value), type };
}
