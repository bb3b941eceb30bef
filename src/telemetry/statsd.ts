import type { Timers } from '../common/clock.ts';
import { reasonOf } from '../common/errors.ts';
import { formatHostPort } from '../common/host-port.ts';
import type { MetricsConfig } from '../config/schema.ts';
import type { MetricsTarget } from '../config/values/endpoints.ts';
import type { Fact } from '../lifecycle/facts.ts';
import { initialMetrics, type Metric, metricsOf, uptimeMetric } from './metrics.ts';
import { statsdLine } from './statsd-line.ts';
import { createTransport, type OpenPeer, type Transport } from './transport.ts';
import { openFile } from './transport-file.ts';
import { openTcp } from './transport-tcp.ts';
import { openUdp } from './transport-udp.ts';
import { openUnix } from './transport-unix.ts';

export interface StatsdOptions {
  readonly config: MetricsConfig;
  readonly name: string;
  readonly path: string;
  readonly version: string;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly timers: Timers;
  /** One line, for the log. */
  readonly warn: (message: string) => void;
}

export interface Statsd {
  report(fact: Fact): void;
  /** Sends all pending metrics, for at most this many milliseconds. */
  close(deadline: number): Promise<void>;
}

const UPTIME_INTERVAL = 10_000;

/** Sends metrics to every target of the config independently. A failed target causes one warning per reason. */
export function createStatsd({ config, name, path, version, now, timers, warn }: StatsdOptions): Statsd {
  const transports = config.address.map((target) => transportTo(target, { config, now, timers, warn }));
  let state = initialMetrics(path);
  let timer: unknown = null;

  const send = (metric: Metric): void => {
    const line = statsdLine(metric, config.prefix ?? '', { name, path: state.path, version });
    for (const transport of transports) transport.send(line);
  };
  const sendUptime = (): void => {
    const metric = uptimeMetric(state, now());
    if (metric !== null) send(metric);
    timer = timers.set(UPTIME_INTERVAL, sendUptime);
  };

  return {
    report(fact) {
      const measured = metricsOf(fact, state, now());
      state = measured.state;
      for (const metric of measured.metrics) send(metric);
      if (timer === null && state.startedAt !== null) sendUptime();
    },
    async close(deadline) {
      timers.clear(timer);
      await Promise.all(transports.map((transport) => transport.close(deadline)));
    },
  };
}

type TransportOptions = Pick<StatsdOptions, 'config' | 'now' | 'timers' | 'warn'>;

function transportTo(target: MetricsTarget, { config, now, timers, warn }: TransportOptions): Transport {
  const warned = new Set<string>();
  const failed = (error: unknown): void => {
    const reason = reasonOf(error);
    if (warned.has(reason)) return;
    warned.add(reason);
    warn(`metrics to ${targetText(target)}: ${reason}; trying again every 10 s`);
  };
  return createTransport(opener(target, config, timers), { now, timers, failed });
}

function opener(target: MetricsTarget, config: MetricsConfig, timers: Timers): OpenPeer {
  switch (target.network) {
    case 'udp':
      return (failed) => openUdp(target, failed);
    case 'tcp':
      return (failed) => openTcp(target, config.proxy, timers, failed);
    case 'unix':
      return async (failed) => openUnix(target.path, failed);
    case 'file':
      return async (failed) => openFile(target.path, timers, failed);
  }
}

function targetText(target: MetricsTarget): string {
  return `${target.network}://${'path' in target ? target.path : formatHostPort(target)}`;
}
